package suite_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
)

func TestSuite(t *testing.T) { RunSpecs(t, "a small suite") }

var _ = Describe("the second file by line", func() {
	for _, backend := range []string{"memory", "broker"} {
		It("is one promise on two backends", Label(backend), func() { panic("a dry run runs nothing") })
	}
	Context("when it is nested", Label("broker", "slow"), func() {
		It("inherits where it runs", func() {})
		PIt("is still to come", func() {})
	})
	DescribeTable("is a table", func(int) {},
		Entry("of one", 1),
		Entry("of two", Label("memory"), 2),
	)
})
