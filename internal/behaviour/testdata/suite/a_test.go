package suite_test

import . "github.com/onsi/ginkgo/v2"

var _ = Describe("The first file by name", Label("memory"), func() {
	It("comes first", func() {})
})
