package kafka

import (
	"sync/atomic"

	"github.com/IBM/sarama"
)

// rebalance sees the group's rebalances through the balance strategies, the only
// place where sarama shows those that happen inside a cooperative session.
type rebalance struct {
	// joining is true from the request to join until the assignment: the broker may
	// then have a generation that the session doesn't know yet.
	joining atomic.Bool
	// generation is that of the last assignment, which the session learns of a little
	// later; -1 before the first of a session.
	generation atomic.Int32
	// assigned is called with each assignment, on sarama's path of the rebalance,
	// before revoked claims are told. It is set before the group is joined.
	assigned func(topics map[string][]int32, generation int32)
}

// observe puts an observer around each strategy of the configuration.
func (r *rebalance) observe(config *sarama.Config) {
	group := &config.Consumer.Group
	static := group.Member.UserData
	if group.Rebalance.Strategy != nil {
		group.Rebalance.Strategy = r.around(group.Rebalance.Strategy, static)
	}
	observed := make([]sarama.BalanceStrategy, len(group.Rebalance.GroupStrategies))
	for i, s := range group.Rebalance.GroupStrategies {
		observed[i] = r.around(s, static)
	}
	group.Rebalance.GroupStrategies = observed
}

func (r *rebalance) around(s sarama.BalanceStrategy, static []byte) sarama.BalanceStrategy {
	return &observedStrategy{BalanceStrategy: s, rebalance: r, static: static, userData: static}
}

// observedStrategy passes everything on to the strategy it wraps. What the
// strategy leaves out it does as sarama does. Sarama calls it from one goroutine.
type observedStrategy struct {
	sarama.BalanceStrategy
	rebalance        *rebalance
	static, userData []byte
}

func (o *observedStrategy) SupportedProtocols() []sarama.RebalanceProtocol {
	if s, ok := o.BalanceStrategy.(sarama.RebalanceProtocolBalanceStrategy); ok {
		return s.SupportedProtocols()
	}
	return []sarama.RebalanceProtocol{sarama.RebalanceProtocolEager}
}

func (o *observedStrategy) SubscriptionUserData(topics []string) ([]byte, error) {
	o.rebalance.joining.Store(true)
	if s, ok := o.BalanceStrategy.(sarama.SubscriptionUserDataBalanceStrategy); ok {
		return s.SubscriptionUserData(topics)
	}
	return o.userData, nil
}

func (o *observedStrategy) OnAssignment(assignment *sarama.ConsumerGroupMemberAssignment, generation int32) {
	o.userData = o.static
	if assignment.UserData != nil {
		o.userData = assignment.UserData
	}
	if s, ok := o.BalanceStrategy.(sarama.OnAssignmentBalanceStrategy); ok {
		s.OnAssignment(assignment, generation)
	}
	o.rebalance.generation.Store(generation)
	o.rebalance.assigned(assignment.Topics, generation)
}
