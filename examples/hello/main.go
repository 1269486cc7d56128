// Hello shows what burrow does: messages finish in any order, and are committed in
// theirs. It needs no Kafka; the source is in memory.
//
//	go run ./examples/hello
package main

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"time"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/source/memory"
	"github.com/vlab-research/burrow/stage"
)

func main() {
	broker := memory.NewBroker()
	broker.CreateTopic("greetings", 1)
	for i := range 12 {
		broker.Produce("greetings", stage.New(nil, fmt.Appendf(nil, "hello %d", i)))
	}
	broker.AfterCommit("hello", func(_ context.Context, c memory.Commit) error {
		fmt.Printf("%20s committed: all before %d\n", "", c.Next)
		return nil
	})
	p, err := burrow.New().From(broker.Source("hello", []string{"greetings"})).WithWorkers(4).WithCommitBatch(1).
		Stage(stage.Handle(func(_ context.Context, greeting []byte) error {
			<-time.After(rand.N(200 * time.Millisecond)) // slow work
			fmt.Printf("%s finished\n", greeting)
			return nil
		})).Build()
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	if err := p.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
