package main

import "testing"

func TestTheMetricsAreThere(t *testing.T) {
	t.Parallel()
	if err := run(); err != nil {
		t.Fatal(err)
	}
}
