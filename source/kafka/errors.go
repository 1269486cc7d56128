package kafka

import (
	"errors"
	"fmt"
	"strings"

	"github.com/IBM/sarama"

	"github.com/vlab-research/burrow/source"
)

// fencing are the answers to a commit that say "you are not a member". A member that is
// still one and was overtaken by a rebalance gets ErrIllegalGeneration instead.
var fencing = []error{sarama.ErrUnknownMemberId, sarama.ErrFencedInstancedId, sarama.ErrGroupIDNotFound}

// refusals are answers that stay the same however often one asks.
var refusals = []error{
	sarama.ErrTopicAuthorizationFailed, sarama.ErrGroupAuthorizationFailed, sarama.ErrClusterAuthorizationFailed,
	sarama.ErrSASLAuthenticationFailed, sarama.ErrUnsupportedSASLMechanism, sarama.ErrIllegalSASLState,
	sarama.ErrSecurityDisabled, sarama.ErrInvalidTopic, sarama.ErrInvalidGroupId, sarama.ErrInvalidRequest,
	sarama.ErrUnsupportedVersion, sarama.ErrUnsupportedForMessageFormat, sarama.ErrPolicyViolation,
	sarama.ErrOffsetMetadataTooLarge, sarama.ErrInvalidCommitOffsetSize,
}

// misfits are further answers to joining a group that end Run.
var misfits = []error{
	sarama.ErrInconsistentGroupProtocol, sarama.ErrInvalidSessionTimeout, sarama.ErrGroupMaxSizeReached,
	sarama.ErrFencedInstancedId,
}

func isOneOf(err error, these []error) bool {
	for _, e := range these {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// isFinal reports whether going on makes no sense after the error.
func isFinal(err error) bool {
	_, misconfigured := errors.AsType[sarama.ConfigurationError](err)
	return misconfigured || isOneOf(err, refusals) || isOneOf(err, misfits)
}

// answered reports whether the error is a broker's own.
func answered(err error) bool {
	_, ok := errors.AsType[sarama.KError](err)
	return ok && !errors.Is(err, sarama.ErrOutOfBrokers)
}

// verdict turns a broker's answer to a commit into what the engine acts on. An
// unknown topic may be tried again: a coordinator that just started doesn't know
// all topics yet, and a topic that is really gone ends its claims. Crossed says that
// a rebalance of this member's own is the reason for another generation.
func verdict(answer sarama.KError, crossed bool) error {
	switch {
	case answer == sarama.ErrNoError:
		return nil
	case isOneOf(answer, refusals):
		return fmt.Errorf("%w: %w", source.ErrDenied, answer)
	case isOneOf(answer, fencing), answer == sarama.ErrIllegalGeneration && !crossed:
		return fmt.Errorf("%w: %w", source.ErrFenced, answer)
	default:
		return answer
	}
}

// lost reports whether the coordinator has to be looked up again.
func lost(answer sarama.KError) bool {
	return answer == sarama.ErrNotCoordinatorForConsumer || answer == sarama.ErrConsumerCoordinatorNotAvailable
}

// explain says what to look at for an error that the brokers gave to a start.
func explain(err error, brokers []string) error {
	at := strings.Join(brokers, ", ")
	switch {
	case isOneOf(err, []error{sarama.ErrSASLAuthenticationFailed, sarama.ErrUnsupportedSASLMechanism, sarama.ErrIllegalSASLState}):
		return fmt.Errorf("kafka: the brokers at %s refuse the credentials (Net.SASL in WithSarama): %w", at, err)
	case errors.Is(err, sarama.ErrUnknownTopicOrPartition):
		return fmt.Errorf("kafka: the brokers at %s don't have a topic (create it first, or correct its name): %w", at, err)
	case errors.Is(err, sarama.ErrTopicAuthorizationFailed):
		return fmt.Errorf("kafka: the brokers at %s don't let this client read a topic: %w", at, err)
	case isOneOf(err, refusals) || isOneOf(err, misfits):
		return fmt.Errorf("kafka: the brokers at %s refuse: %w", at, err)
	case answered(err):
		return fmt.Errorf("kafka: the brokers at %s answer: %w", at, err)
	default:
		return fmt.Errorf("kafka: no broker at %s answers as Kafka does (check the addresses, those the brokers advertise, and Net.TLS and Net.SASL in WithSarama): %w", at, err)
	}
}
