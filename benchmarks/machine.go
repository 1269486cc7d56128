package main

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
)

var (
	modelName = regexp.MustCompile(`model name\s*: (.*)`)
	memTotal  = regexp.MustCompile(`MemTotal:\s*(\d+) kB`)
)

// machine describes this one, as far as Linux tells.
func machine() string {
	text := fmt.Sprintf("%d cores", runtime.NumCPU())
	if cpu, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if match := modelName.FindSubmatch(cpu); match != nil {
			text += " of " + string(match[1])
		}
	}
	if memory, err := os.ReadFile("/proc/meminfo"); err == nil {
		if match := memTotal.FindSubmatch(memory); match != nil {
			kb, _ := strconv.Atoi(string(match[1]))
			text += fmt.Sprintf(", %.0f GB of memory", float64(kb)/(1<<20))
		}
	}
	return text
}

// peers are the modules whose versions matter.
func peers() []string {
	return []string{
		"github.com/IBM/sarama", "github.com/twmb/franz-go", "github.com/ThreeDotsLabs/watermill",
		"github.com/ThreeDotsLabs/watermill-kafka/v3",
	}
}

func modules() (used []string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	for _, m := range info.Deps {
		if slices.Contains(peers(), m.Path) {
			used = append(used, strings.TrimPrefix(m.Path, "github.com/")+" "+m.Version)
		}
	}
	return used
}
