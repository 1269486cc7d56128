package main

import "testing"

func TestHelloEnds(*testing.T) { main() }
