package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPast(t *testing.T) {
	p := Settings{State: filepath.Join(t.TempDir(), "a", "b")}.Past()
	if past, err := p.Read(); len(past) > 0 || err != nil {
		t.Errorf("before the first session: %q, %v", past, err)
	}
	for _, line := range []string{"look.theme mono", "arm.toggle disk is full", "look.theme mono"} {
		if err := p.Add(line); err != nil {
			t.Fatal(err)
		}
	}
	if past, _ := p.Read(); !slices.Equal(past, []string{"arm.toggle disk is full", "look.theme mono"}) {
		t.Errorf("kept %q", past)
	}
	for path, mode := range map[string]os.FileMode{p.file: 0o600, filepath.Dir(p.file): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	for i := range MaxPast + 5 {
		if err := p.Add(fmt.Sprint("n ", i)); err != nil {
			t.Fatal(err)
		}
	}
	if past, _ := p.Read(); len(past) != MaxPast || past[MaxPast-1] != fmt.Sprint("n ", MaxPast+4) {
		t.Errorf("%d are kept, the last %q", len(past), past[len(past)-1])
	}
	if files, _ := os.ReadDir(filepath.Dir(p.file)); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}

// TestPastOfManyConsoles: they may lose a command, never the file.
func TestPastOfManyConsoles(t *testing.T) {
	p := Settings{State: t.TempDir()}.Past()
	var all sync.WaitGroup
	for c := range 4 {
		all.Go(func() {
			for i := range 25 {
				if err := p.Add(fmt.Sprintf("console %d %d", c, i)); err != nil {
					t.Error(err)
				}
				if _, err := p.Read(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if past, err := p.Read(); err != nil || len(past) < 25 {
		t.Errorf("%d, %v", len(past), err)
	}
}

// TestPastThatCannotBeKept says so, and neither waits nor breaks what lies in its place.
func TestPastThatCannotBeKept(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (Settings{State: filepath.Join(dir, "file")}).Past().Add("x"); err == nil {
		t.Error("a file is taken for a folder")
	}
	if err := os.MkdirAll(filepath.Join(dir, "commands", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	p := Settings{State: dir}.Past()
	if _, err := p.Read(); err == nil || !strings.Contains(err.Error(), "it is a folder") {
		t.Errorf("a folder is read: %v", err)
	}
	if err := p.Add("x"); err == nil {
		t.Error("a folder is replaced")
	}
	pipe := Settings{State: t.TempDir()}.Past()
	if err := unix.Mkfifo(pipe.file, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := pipe.Read(); err == nil {
		t.Error("a pipe is read")
	}
	if err := (Settings{}).Past().Add("x"); err != nil {
		t.Errorf("without a folder nothing is kept: %v", err)
	}
}
