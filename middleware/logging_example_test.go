package middleware_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/sirupsen/logrus"

	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/stage"
)

func ExampleLogging() {
	log := logrus.New()
	log.SetOutput(writer{})
	log.SetFormatter(&logrus.TextFormatter{DisableTimestamp: true, DisableColors: true})
	logged := middleware.Logging(log.WithField("app", "billing"))(stage.Handle(func(context.Context, []byte) error {
		return errors.New("connection refused")
	}))
	msg := stage.New(nil, []byte("order"), stage.At(stage.Position{Topic: "orders", Offset: 7}))
	_, _ = logged.Process(context.Background(), msg)
	// Output:
	// level=warning msg="message failed" error="connection refused"
}

// writer prints the start of a line and its error, which are the same in each run.
type writer struct{}

func (writer) Write(line []byte) (int, error) {
	for _, field := range []string{"level=", "msg=", "error="} {
		at := bytes.Index(line, []byte(field))
		value := line[at:]
		if end := bytes.IndexByte(value, '"'); end >= 0 && bytes.HasPrefix(value[len(field):], []byte{'"'}) {
			fmt.Printf("%s ", value[:end+2+bytes.IndexByte(value[end+1:], '"')])
		} else {
			fmt.Printf("%s ", bytes.Fields(value)[0])
		}
	}
	fmt.Println()
	return len(line), nil
}
