package main

func Example() {
	main()
	// Unordered output:
	// without the stage that bills: burrow: Stage: stage 4 "send" takes main.invoice, stage 1 "decode" gives main.order
	// invoice to Ada over 19.95
	// invoice to Grace over 2.50
	// 3 received, 2 processed, 1 skipped
}
