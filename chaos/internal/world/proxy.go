package world

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
)

// healTimeout is how long toxics may take to go before all connections are cut.
const healTimeout = 2 * time.Second

// proxy stands between the clients and one broker.
type proxy struct {
	server                 *toxiproxy.ApiServer
	name, listen, upstream string
	inner                  *toxiproxy.Proxy
}

func (p *proxy) start() error {
	var err error
	for range 20 { // the port may still be in the hands of the proxy before
		p.inner = toxiproxy.NewProxy(p.server, p.name, p.listen, p.upstream)
		if err = p.inner.Start(); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("the proxy of %s: %w", p.name, err)
}

// stop cuts every connection and takes no more.
func (p *proxy) stop() { p.inner.Stop() }

// toxic is one kind of trouble on the line, as toxiproxy names it.
type toxic struct {
	Type       string         `json:"type"`
	Name       string         `json:"name"`
	Stream     string         `json:"stream"`
	Attributes map[string]any `json:"attributes"`
}

func (p *proxy) add(t toxic) error {
	t.Name = t.Type + "-" + t.Stream
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	added := make(chan error, 1)
	go func() { // ends with the connections it waits for
		_, err := p.inner.Toxics.AddToxicJson(bytes.NewReader(text))
		added <- err
	}()
	select {
	case err := <-added:
		return err
	case <-time.After(healTimeout):
		return p.renew()
	}
}

// heal takes the toxics away. Where a connection keeps them, all are cut.
func (p *proxy) heal() error {
	ctx, cancel := context.WithTimeout(context.Background(), healTimeout)
	defer cancel()
	gone := make(chan struct{})
	go func() { // ends with the connections it waits for
		defer close(gone)
		p.inner.Toxics.ResetToxics(ctx)
	}()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return p.renew()
	}
}

// renew puts a new proxy in the place of one that doesn't answer.
func (p *proxy) renew() error {
	stopped := make(chan struct{})
	old := p.inner
	go func() {
		defer close(stopped)
		old.Stop()
	}()
	select {
	case <-stopped:
	case <-time.After(healTimeout):
	}
	return p.start()
}
