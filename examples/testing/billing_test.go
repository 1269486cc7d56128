package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/source/memory"
	"github.com/vlab-research/burrow/stage"
)

// fakeBank takes a second for each charge, and refuses while it is closed.
type fakeBank struct {
	opens time.Time // zero: always open

	mu      sync.Mutex
	charged map[string]int
}

func (b *fakeBank) Charge(ctx context.Context, i Invoice) error {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	if time.Now().Before(b.opens) {
		return errors.New("the bank is closed")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.charged == nil {
		b.charged = make(map[string]int)
	}
	b.charged[i.Number]++
	return nil
}

func invoice(n int) burrow.Message {
	return stage.New(nil, fmt.Appendf(nil, `{"Number": "%d", "Cents": 100}`, n))
}

func newBroker(invoices ...burrow.Message) *memory.Broker {
	broker := memory.NewBroker()
	broker.CreateTopic("invoices", 4)
	broker.CreateTopic("invoices.dlq", 1)
	broker.Produce("invoices", invoices...)
	return broker
}

// start runs a member of the group until stop is called, which returns Run's error.
func start(t *testing.T, broker *memory.Broker, bank Bank) (src *memory.Source, stop func() error) {
	t.Helper()
	src = broker.Source("billing", []string{"invoices"})
	p, err := NewBilling(src, broker, bank)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- p.Run(ctx) }()
	return src, func() error {
		cancel()
		return <-result
	}
}

func consumed(t *testing.T, broker *memory.Broker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour) // of the bubble's clock
	defer cancel()
	if err := broker.WaitConsumed(ctx, "billing", "invoices"); err != nil {
		t.Fatal(err)
	}
}

// A minute of charging, at 50 a second, takes no time here.
func TestEachInvoiceIsChargedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 3000
		broker, bank := newBroker(), &fakeBank{}
		for i := range n {
			broker.Produce("invoices", invoice(i))
		}
		began := time.Now()
		_, stop := start(t, broker, bank)
		consumed(t, broker)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 60*time.Second || took > 70*time.Second {
			t.Errorf("took %v, not the minute that 50 workers need", took)
		}
		for i := range n {
			if times := bank.charged[fmt.Sprint(i)]; times != 1 {
				t.Errorf("invoice %d was charged %d times", i, times)
			}
		}
	})
}

func TestAClosedBankIsAskedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker, bank := newBroker(invoice(1)), &fakeBank{opens: time.Now().Add(30 * time.Second)}
		_, stop := start(t, broker, bank)
		consumed(t, broker)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if bank.charged["1"] != 1 {
			t.Errorf("charged: %v", bank.charged)
		}
	})
}

func TestABadInvoiceIsADeadLetter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bad := stage.New(nil, []byte(`{"Number": "7", "Cents": -1}`))
		broker := newBroker(invoice(1), bad)
		_, stop := start(t, broker, &fakeBank{})
		consumed(t, broker)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		letters := broker.Messages("invoices.dlq", 0)
		if len(letters) != 1 || !bytes.Equal(letters[0].Value(), bad.Value()) {
			t.Fatalf("dead letters: %v", letters)
		}
		letter, err := middleware.ParseDeadLetter(letters[0].Headers())
		if err != nil || letter.Stage != "validate" || letter.Attempts != 1 {
			t.Errorf("letter %+v, error %v", letter, err)
		}
	})
}

func TestACrashLosesNoInvoice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker, bank := newBroker(), &fakeBank{}
		for i := range 200 {
			broker.Produce("invoices", invoice(i))
		}
		first, stop := start(t, broker, bank)
		<-time.After(2500 * time.Millisecond) // 100 are charged, 50 half-way, nothing is committed yet
		first.Crash()
		if err := stop(); !errors.Is(err, memory.ErrCrashed) {
			t.Fatalf("the first ended with %v", err)
		}
		_, stop = start(t, broker, bank)
		consumed(t, broker)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		twice := 0
		for i := range 200 {
			switch bank.charged[fmt.Sprint(i)] {
			case 0:
				t.Errorf("invoice %d was lost", i)
			case 2:
				twice++
			}
		}
		if twice < 100 { // delivery is at least once: a real bank must know an invoice again by its number
			t.Errorf("%d invoices were charged twice; the crash came too late to show that", twice)
		}
	})
}

// Without a source at all: one message through the stages and the middleware.
func TestOneInvoice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker, bank := newBroker(), &fakeBank{}
		p, err := NewBilling(broker.Source("billing", []string{"invoices"}), broker, bank)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Process(t.Context(), invoice(1)); err != nil || bank.charged["1"] != 1 {
			t.Errorf("error %v, charged %v", err, bank.charged)
		}
		_, err = p.Process(t.Context(), stage.New(nil, []byte("no invoice")))
		if letter, ok := errors.AsType[*stage.DeadLetteredError](err); !ok || letter.Topic != "invoices.dlq" {
			t.Errorf("a bad invoice gives %v", err)
		}
	})
}

func TestTheProgramEnds(t *testing.T) {
	t.Parallel()
	if err := run(); err != nil {
		t.Fatal(err)
	}
}
