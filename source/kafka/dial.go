package kafka

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync"

	"github.com/IBM/sarama"
)

// dialer makes a client's connections and can cut them. Sarama's calls take no
// context and hold a broker's lock while they wait for an answer, so closing the
// connection is the only way to end one.
type dialer struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	tls  bool

	mu     sync.Mutex
	closed bool
	lines  map[*line]func()
}

// line is one connection, or the attempt to make one.
type line struct {
	net.Conn
	dialer *dialer
	heard  bool
	alien  error
}

// Read refuses a first answer that isn't Kafka's. Sarama would take its first four
// bytes for a length, allocate as much and wait for it.
func (l *line) Read(b []byte) (int, error) {
	if l.alien != nil {
		return 0, l.alien
	}
	n, err := l.Conn.Read(b)
	if !l.heard && n > 0 && !l.dialer.tls {
		l.alien = alien(b[:n], l.RemoteAddr())
	}
	l.heard = true
	if l.alien != nil {
		return 0, l.alien
	}
	return n, err
}

// alien returns an error unless answer can be the beginning of one of Kafka's.
func alien(answer []byte, from net.Addr) error {
	switch {
	case len(answer) < 4 || binary.BigEndian.Uint32(answer) <= uint32(sarama.MaxResponseSize):
		return nil
	case answer[0] == 0x15 || answer[0] == 0x16:
		return fmt.Errorf("%v speaks TLS (set Net.TLS.Enable)", from)
	case string(answer[:4]) == "HTTP":
		return fmt.Errorf("%v speaks HTTP, not Kafka", from)
	default:
		return fmt.Errorf("%v doesn't speak Kafka", from)
	}
}

func (l *line) Close() error {
	l.dialer.forget(l)
	return l.Conn.Close()
}

// install puts a dialer under the configuration, over the proxy it may have.
func install(config *sarama.Config) *dialer {
	d := &dialer{tls: config.Net.TLS.Enable, lines: make(map[*line]func())}
	direct := &net.Dialer{
		Timeout: config.Net.DialTimeout, KeepAlive: config.Net.KeepAlive, LocalAddr: config.Net.LocalAddr,
	}
	d.dial = direct.DialContext
	if config.Net.Proxy.Enable && config.Net.Proxy.Dialer != nil {
		d.dial = through(config.Net.Proxy.Dialer)
	}
	config.Net.Proxy.Enable, config.Net.Proxy.Dialer = true, d
	return d
}

type plainDialer interface {
	Dial(network, addr string) (net.Conn, error)
}

type contextDialer interface {
	DialContext(ctx context.Context, network, addr string) (net.Conn, error)
}

func through(proxy plainDialer) func(context.Context, string, string) (net.Conn, error) {
	if c, ok := proxy.(contextDialer); ok {
		return c.DialContext
	}
	return func(_ context.Context, network, addr string) (net.Conn, error) { return proxy.Dial(network, addr) }
}

// Dial is sarama's way in.
func (d *dialer) Dial(network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	l := &line{dialer: d}
	if !d.keep(l, cancel) {
		return nil, errStopped
	}
	conn, err := d.dial(ctx, network, addr)
	if err != nil {
		d.forget(l)
		return nil, err
	}
	l.Conn = conn
	if !d.keep(l, func() { _ = conn.Close() }) {
		_ = conn.Close()
		return nil, errStopped
	}
	return l, nil
}

func (d *dialer) keep(l *line, cutFunc func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.lines[l] = cutFunc
	}
	return !d.closed
}

func (d *dialer) forget(l *line) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.lines, l)
}

// cut ends every connection and attempt. The client may make new ones.
func (d *dialer) cut() { d.end(false) }

// close cuts and lets no more connections be made.
func (d *dialer) close() { d.end(true) }

func (d *dialer) end(forGood bool) {
	d.mu.Lock()
	lines := d.lines
	d.lines = make(map[*line]func())
	d.closed = d.closed || forGood
	d.mu.Unlock()
	for _, cutFunc := range lines {
		cutFunc()
	}
}

// link is a sarama client with connections that can be cut.
type link struct {
	sarama.Client
	lines *dialer
}

// connect makes a client of a copy of the configuration.
func connect(brokers []string, config *sarama.Config) (*link, error) {
	own := *config
	lines := install(&own)
	client, err := sarama.NewClient(brokers, &own)
	if err != nil {
		lines.close()
		return nil, err
	}
	return &link{Client: client, lines: lines}, nil
}

// close ends the client. It can wait for a refresh of the metadata that is under
// way, which cutting the connections shortens.
func (l *link) close() {
	l.lines.close()
	_ = l.Client.Close()
}
