// Package suite_test holds burrow's living documentation: specs that state, one
// promise a file, what the library does, and show it on a broker in memory on
// virtual time, and on Kafka through the Sarama source: an embedded fake, or a real
// one if BURROW_TEST_KAFKA says so. docs/behaviour.md is written from them.
package suite_test

import (
	"os"
	"testing"
	"testing/synctest"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/vlab-research/burrow/internal/kafkatest"
)

// suite is the test that runs all specs; a bubble needs one.
var suite *testing.T

func TestMain(m *testing.M) { os.Exit(kafkatest.Run(m)) }

func TestSuite(t *testing.T) {
	suite = t
	RegisterFailHandler(Fail)
	config, report := GinkgoConfiguration()
	report.Succinct = !report.Verbose && !report.VeryVerbose
	RunSpecs(t, "burrow", config, report)
}

// onEach states a promise for the memory source and for Kafka.
func onEach(text string, body func(w *world)) {
	GinkgoHelper()
	onMemory(text, body)
	onKafka(text, body)
}

// onMemory states a promise that is shown on virtual time.
func onMemory(text string, body func(w *world)) {
	GinkgoHelper()
	It(text, Label("memory"), func() {
		synctest.Test(suite, func(*testing.T) {
			defer GinkgoRecover()
			w := &world{backend: newMemoryBackend()}
			defer w.close()
			body(w)
		})
	})
}

// onKafka states a promise that is shown through the Sarama source.
func onKafka(text string, body func(w *world)) {
	GinkgoHelper()
	It(text, Label("broker"), func() {
		w := &world{backend: newKafkaBackend(kafkatest.Brokers(GinkgoTB()))}
		defer w.close()
		body(w)
	})
}
