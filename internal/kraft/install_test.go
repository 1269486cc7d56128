package kraft

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// The tools below stand in for Java and Maven.
const (
	fakeJava = "#!/bin/sh\necho 'openjdk version \"17.0.1\"' >&2\n"
	oldJava  = "#!/bin/sh\necho 'java version \"1.8.0_392\"' >&2\n"
	fakeMvn  = `#!/bin/sh
echo started >>"$MVN_RUNS"
for arg; do case $arg in -DoutputDirectory=*) dir=${arg#*=} ;; esac; done
echo content >"$dir/kafka.jar"
`
	brokenMvn = "#!/bin/sh\necho 'no route to the repository'\nexit 1\n"
)

func TestManyProcessesFetchKafkaOnce(t *testing.T) {
	runs := fakeTools(t, fakeJava, fakeMvn)
	var wg sync.WaitGroup
	for range 8 { // a lock of flock's is the open file's, so goroutines compete as processes do
		wg.Go(func() {
			kafka, err := install(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if !exists(filepath.Join(kafka.dir, "kafka.jar")) || !exists(filepath.Join(kafka.dir, "log4j2.properties")) {
				t.Error("the folder isn't whole")
			}
		})
	}
	wg.Wait()
	if content, err := os.ReadFile(runs); strings.Count(string(content), "started") != 1 {
		t.Errorf("Maven ran %d times (%v)", strings.Count(string(content), "started"), err)
	}
}

func TestAFailedFetchSaysWhyAndIsTriedAgain(t *testing.T) {
	fakeTools(t, fakeJava, brokenMvn)
	for range 2 {
		if _, err := install(t.Context()); err == nil || !strings.Contains(err.Error(), "no route to the repository") {
			t.Errorf("install = %v, want Maven's words", err)
		}
	}
	left, err := filepath.Glob(filepath.Join(os.Getenv(CacheEnv), "*.tmp-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	for name, test := range map[string]struct{ java, mvn, want string }{
		"no Java":  {"", fakeMvn, "needs Java 17, install it"},
		"old Java": {oldJava, fakeMvn, "is Java 1;"},
		"no Maven": {fakeJava, "", "needs Maven, install it"},
	} {
		t.Run(name, func(t *testing.T) {
			fakeTools(t, test.java, test.mvn)
			if _, err := install(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("install = %v, want %q", err, test.want)
			}
		})
	}
}

// fakeTools makes the scripts the only tools there are, and the cache an empty
// folder. It returns the file in which Maven counts its runs.
func fakeTools(t *testing.T, java, mvn string) (runs string) {
	t.Helper()
	bin := t.TempDir()
	for name, script := range map[string]string{"java": java, "mvn": mvn} {
		if script == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	runs = filepath.Join(bin, "runs")
	t.Setenv("PATH", bin)
	t.Setenv("JAVA_HOME", "")
	t.Setenv("MVN_RUNS", runs)
	t.Setenv(CacheEnv, t.TempDir())
	return runs
}
