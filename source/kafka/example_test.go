package kafka_test

import (
	"context"
	"fmt"
	"log"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/source/kafka"
)

// printer is the smallest handler: one message at a time, none committed.
type printer struct{ stop context.CancelFunc }

func (p printer) Assigned(partitions int) { fmt.Println("assigned", partitions) }

func (p printer) Serve(claim source.Claim) {
	for {
		msg, err := source.Next(claim, nil)
		if err != nil {
			return
		}
		fmt.Printf("%v: %s\n", msg.Position(), msg.Value())
		p.stop()
	}
}

func Example() {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()

	producer, err := kafka.NewProducer(cluster.ListenAddrs())
	if err != nil {
		log.Fatal(err)
	}
	if err := producer.Publish(ctx, "orders", []byte("customer 7"), []byte("a spade"), nil); err != nil {
		log.Fatal(err)
	}
	if err := producer.Close(ctx); err != nil {
		log.Fatal(err)
	}

	src, err := kafka.NewSource(cluster.ListenAddrs(), "billing", []string{"orders"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(src.Run(ctx, printer{stop}))
	// Output:
	// assigned 1
	// orders/0@0: a spade
	// <nil>
}

func ExampleNewSource_mistakes() {
	_, err := kafka.NewSource([]string{"localhost"}, "", []string{"orders", "orders"})
	fmt.Println(err)
	// Output:
	// kafka: broker "localhost" must be host:port
	// kafka: topic "orders" is given twice
	// kafka: the group is empty: give the consumer group a name
}
