package kafka_test

import (
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// proxy stands between sources and their brokers. Blocked, it closes connections,
// to one broker or to all, and refuses new ones; stalled, it lets nothing through.
type proxy struct {
	mu      sync.Mutex
	changed *sync.Cond
	blocked string // an address, or "all"
	stalled bool
	lag     time.Duration
	conns   map[*proxied]struct{}
}

func newProxy(t *testing.T) *proxy {
	t.Helper()
	p := &proxy{conns: make(map[*proxied]struct{})}
	p.changed = sync.NewCond(&p.mu)
	t.Cleanup(func() { p.stall(false) })
	return p
}

func (p *proxy) install(c *sarama.Config) {
	c.Net.Proxy.Enable, c.Net.Proxy.Dialer = true, p
}

func (p *proxy) Dial(network, addr string) (net.Conn, error) {
	if p.blocks(addr) {
		return nil, errors.New("the proxy blocks " + addr)
	}
	conn, err := net.Dial(network, addr)
	if err != nil {
		return nil, err
	}
	c := &proxied{Conn: conn, proxy: p}
	p.mu.Lock()
	p.conns[c] = struct{}{}
	p.mu.Unlock()
	return c, nil
}

func (p *proxy) blocks(addr string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.blocked == addr || p.blocked == "all"
}

// block blocks an address, "all", or none if it is empty.
func (p *proxy) block(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blocked = addr
	for c := range p.conns {
		if addr == "all" || addr == c.RemoteAddr().String() {
			_ = c.Conn.Close()
			delete(p.conns, c)
		}
	}
}

func (p *proxy) stall(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled = on
	p.changed.Broadcast()
}

// delay holds back each answer.
func (p *proxy) delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lag = d
}

// pass waits as long as an answer is held back.
func (p *proxy) pass() {
	p.mu.Lock()
	lag := p.lag
	p.mu.Unlock()
	time.Sleep(lag) //nolint:forbidigo // the slow network itself
}

type proxied struct {
	net.Conn
	proxy  *proxy
	closed bool
}

func (c *proxied) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.proxy.pass()
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	for c.proxy.stalled && !c.closed {
		c.proxy.changed.Wait()
	}
	return n, err
}

func (c *proxied) Close() error {
	c.proxy.mu.Lock()
	c.closed = true
	c.proxy.changed.Broadcast()
	c.proxy.mu.Unlock()
	return c.Conn.Close()
}

func contains(err error, text string) bool { return err != nil && containsText(err.Error(), text) }

func containsText(s, text string) bool { return strings.Contains(s, text) }
