package kafka

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/IBM/sarama"
)

func TestAPinOutlastsOnlyASessionThatAnotherClaimEnded(t *testing.T) {
	t.Parallel()
	for cause, goesOn := range map[error]bool{
		sarama.ErrSessionConsumeClaimExited: true,
		sarama.ErrRebalanceInProgress:       false,
		errStopped:                          false,
	} {
		synctest.Test(t, func(t *testing.T) {
			session, end := context.WithCancelCause(t.Context())
			ctx, cancel := outlast(session)
			defer cancel()
			end(cause)
			synctest.Wait()
			if err := ctx.Err(); (err == nil) != goesOn {
				t.Errorf("ended with %v: %v", cause, err)
			}
			<-ctx.Done()
			if goesOn && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Errorf("ended with %v: %v, want the end of its time", cause, ctx.Err())
			}
		})
	}
}
