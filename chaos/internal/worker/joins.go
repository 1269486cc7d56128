package worker

import (
	"github.com/IBM/sarama"

	"github.com/vlab-research/burrow/chaos/internal/ledger"
)

// joins writes down in which generation each assignment came. It does what its strategy does.
type joins struct {
	sarama.BalanceStrategy
	ledger   *ledger.Writer
	userData []byte
}

func (s *joins) SupportedProtocols() []sarama.RebalanceProtocol {
	if inner, ok := s.BalanceStrategy.(sarama.RebalanceProtocolBalanceStrategy); ok {
		return inner.SupportedProtocols()
	}
	return []sarama.RebalanceProtocol{sarama.RebalanceProtocolEager}
}

func (s *joins) SubscriptionUserData(topics []string) ([]byte, error) {
	if inner, ok := s.BalanceStrategy.(sarama.SubscriptionUserDataBalanceStrategy); ok {
		return inner.SubscriptionUserData(topics)
	}
	return s.userData, nil
}

func (s *joins) OnAssignment(assignment *sarama.ConsumerGroupMemberAssignment, generation int32) {
	s.ledger.Write(ledger.Line{Kind: ledger.Joined, Attempt: generation})
	s.userData = assignment.UserData
	if inner, ok := s.BalanceStrategy.(sarama.OnAssignmentBalanceStrategy); ok {
		inner.OnAssignment(assignment, generation)
	}
}
