package kraft

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// Version is the version of Apache Kafka that is started.
const Version = "4.3.1"

// CacheEnv names the environment variable for the folder that keeps the fetched
// Kafka. Unset, it is "burrow" in the user's cache folder.
const CacheEnv = "BURROW_CACHE"

const oldestJava = 17

//go:embed pom.xml
var pom []byte

//go:embed log4j2.properties
var log4j []byte

// installation is a fetched Kafka and the Java to run it.
type installation struct {
	dir  string // jars and log4j2.properties
	java string
}

// install finds Java and returns the Kafka in the cache, fetching it first if need be.
// Any number of processes may do so at once.
func install(ctx context.Context) (*installation, error) {
	java, err := findJava(ctx)
	if err != nil {
		return nil, err
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	kafka := &installation{dir: filepath.Join(cache, "kafka-"+Version), java: java}
	if exists(kafka.dir) {
		return kafka, nil
	}
	unlock, err := lockFile(ctx, kafka.dir+".lock")
	if err != nil {
		return nil, err
	}
	defer unlock()
	if exists(kafka.dir) { // another process was quicker
		return kafka, nil
	}
	return kafka, kafka.fetch(ctx)
}

// fetch fills a folder beside the final one and renames it, so that the final one is whole whenever it exists.
func (k *installation) fetch(ctx context.Context) error {
	tmp, err := os.MkdirTemp(filepath.Dir(k.dir), filepath.Base(k.dir)+".tmp-")
	if err != nil {
		return fmt.Errorf("kraft: %w", err)
	}
	defer os.RemoveAll(tmp) //nolint:errcheck // what stays is never used
	if err := copyJars(ctx, tmp); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tmp, "log4j2.properties"), log4j, 0o600); err != nil {
		return fmt.Errorf("kraft: %w", err)
	}
	if err := os.Rename(tmp, k.dir); err != nil && !exists(k.dir) {
		return fmt.Errorf("kraft: %w", err)
	}
	return nil
}

func copyJars(ctx context.Context, dir string) error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return fmt.Errorf("kraft: fetching Kafka %s needs Maven, install it (apt-get install maven): %w", Version, err)
	}
	pomFile := filepath.Join(dir, "pom.xml")
	if err := os.WriteFile(pomFile, pom, 0o600); err != nil {
		return fmt.Errorf("kraft: %w", err)
	}
	cmd := exec.CommandContext(ctx, mvn, "-B", "-q", "-f", pomFile, "dependency:copy-dependencies",
		"-DincludeScope=runtime", "-DoutputDirectory="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("kraft: fetch Kafka %s with Maven: %w\n%s", Version, err, bytes.TrimSpace(out))
	}
	return nil
}

// tool runs a Java class of Kafka to its end and returns what it printed.
func (k *installation) tool(ctx context.Context, class string, args ...string) (string, error) {
	jvm := append([]string{"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}, k.jvmArgs("ERROR")...)
	cmd := exec.CommandContext(ctx, k.java, append(append(jvm, class), args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kraft: %s: %w\n%s%s", class, err, stderr.Bytes(), stdout.Bytes())
	}
	return stdout.String(), nil
}

func (k *installation) jvmArgs(logLevel string) []string {
	return []string{
		"-Dlog4j2.configurationFile=" + filepath.Join(k.dir, "log4j2.properties"), "-Dkraft.log.level=" + logLevel,
		"-cp", filepath.Join(k.dir, "*"),
	}
}

var javaVersion = regexp.MustCompile(`version "(\d+)`)

// findJava returns the java of JAVA_HOME or else of the path, if it is new enough.
func findJava(ctx context.Context) (string, error) {
	java := "java"
	if home := os.Getenv("JAVA_HOME"); home != "" {
		java = filepath.Join(home, "bin", "java")
	}
	java, err := exec.LookPath(java)
	if err != nil {
		return "", fmt.Errorf("kraft: Kafka needs Java %d, install it (apt-get install openjdk-17-jre-headless) or set JAVA_HOME: %w", oldestJava, err)
	}
	out, err := exec.CommandContext(ctx, java, "-version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("kraft: %s -version: %w\n%s", java, err, out)
	}
	if match := javaVersion.FindSubmatch(out); match != nil {
		if major, _ := strconv.Atoi(string(match[1])); major < oldestJava {
			return "", fmt.Errorf("kraft: Kafka needs Java %d, %s is Java %d; set JAVA_HOME to a newer one", oldestJava, java, major)
		}
	}
	return java, nil
}

func cacheDir() (string, error) {
	dir := os.Getenv(CacheEnv)
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("kraft: no cache folder, set %s: %w", CacheEnv, err)
		}
		dir = filepath.Join(base, "burrow")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("kraft: %w", err)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("kraft: %w", err)
	}
	return dir, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
