package lab

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// labName is unique to the test run: other runs may go on beside this one.
func labName(t *testing.T) string {
	t.Helper()
	letters := func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}
	return fmt.Sprintf("t%d-%.16s", os.Getpid(), strings.Map(letters, strings.ToLower(t.Name()[len("Test"):])))
}

// testUp is a lab for one test, which ends with nothing of it left.
func testUp(t *testing.T, backends int) *Lab {
	t.Helper()
	return testUpWith(t, Config{Backends: backends})
}

func testUpWith(t *testing.T, c Config) *Lab {
	t.Helper()
	name := labName(t)
	c.Name, c.Binary = name, os.Args[0]
	t.Cleanup(func() {
		if err := Down(context.Background(), name); err != nil {
			t.Error(err)
		}
		nothingLeft(t, name)
	})
	l, err := Up(testContext(t), c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// nothingLeft looks for what a lab could leave behind, without asking the code that removes it.
func nothingLeft(t *testing.T, name string) {
	t.Helper()
	for _, dir := range []string{"/run/netns", "/run/hairpin-lab"} {
		entries, err := os.ReadDir(dir)
		if err != nil && !os.IsNotExist(err) {
			t.Error(err)
		}
		for _, e := range entries {
			if strings.HasPrefix(strings.TrimPrefix(e.Name(), "hairpin-"), name) {
				t.Errorf("%s/%s is left", dir, e.Name())
			}
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Error(err)
	}
	if strings.Contains(string(mounts), name) {
		t.Errorf("a mount is left:\n%s", mounts)
	}
	procs, err := os.ReadDir("/proc")
	if err != nil {
		t.Error(err)
	}
	for _, p := range procs {
		env, _ := os.ReadFile("/proc/" + p.Name() + "/environ")
		if strings.Contains(string(env), "HAIRPIN_LAB="+name+"\x00") {
			t.Errorf("process %s is left", p.Name())
		}
	}
}

// browser is an HTTP client on a node; every request is a new connection.
func browser(l *Lab, node string) *http.Client {
	return &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				return l.DialContext(ctx, node, network, address)
			},
		},
	}
}
