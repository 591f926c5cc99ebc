package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// program is a small static program for Linux.
func program(t *testing.T) []byte {
	t.Helper()
	folder := t.TempDir()
	source, out := filepath.Join(folder, "main.go"), filepath.Join(folder, "program")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("go", "build", "-o", out, source)
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=")
	if text, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// unpack is the files of a tar, by name.
func unpack(t *testing.T, data []byte) (files map[string][]byte, modes map[string]int64) {
	t.Helper()
	files, modes = map[string][]byte{}, map[string]int64{}
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files, modes
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := files[h.Name]; twice || h.Uid != 0 || h.Gid != 0 {
			t.Errorf("%s: twice %t, of %d:%d", h.Name, twice, h.Uid, h.Gid)
		}
		files[h.Name], modes[h.Name] = text, h.Mode
	}
}

func decode(t *testing.T, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
}

// TestImage follows an image as a runtime does: index, manifest, config, layer, and each digest and size on the way.
func TestImage(t *testing.T) {
	binary := program(t)
	o := options{version: "v1.2-3-gabc+dirty", arch: "arm64", time: time.Unix(1_700_000_000, 0)}
	data, err := build(binary, o)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := build(binary, o); err != nil || !bytes.Equal(again, data) {
		t.Errorf("the same image has other bytes the second time (%v)", err)
	}
	files, _ := unpack(t, data)
	blob := func(d descriptor) []byte {
		t.Helper()
		content := files[path(d)]
		if d.Digest != "sha256:"+digest(content) || d.Size != len(content) || d.Size == 0 {
			t.Errorf("%+v names a blob of %d bytes with the digest %s", d, len(content), digest(content))
		}
		return content
	}
	var index struct{ Manifests []descriptor }
	decode(t, files["index.json"], &index)
	if len(index.Manifests) != 1 || string(files["oci-layout"]) != `{"imageLayoutVersion":"1.0.0"}` {
		t.Fatalf("index %s, layout %s", files["index.json"], files["oci-layout"])
	}
	if tag := index.Manifests[0].Annotations["org.opencontainers.image.ref.name"]; tag != "v1.2-3-gabc-dirty" {
		t.Errorf("tag %q", tag)
	}
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	decode(t, blob(index.Manifests[0]), &manifest)
	var config struct {
		Architecture, OS string
		Config           struct{ Entrypoint, Cmd []string }
		RootFS           struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	decode(t, blob(manifest.Config), &config)
	run := strings.Join(append(config.Config.Entrypoint, config.Config.Cmd...), " ")
	if config.Architecture != "arm64" || config.OS != "linux" || run != "/usr/bin/hairpin run" {
		t.Errorf("config %+v", config)
	}
	if len(manifest.Layers) != 1 || len(config.RootFS.DiffIDs) != 1 {
		t.Fatalf("layers %+v, %v", manifest.Layers, config.RootFS.DiffIDs)
	}
	z, err := gzip.NewReader(bytes.NewReader(blob(manifest.Layers[0])))
	if err != nil {
		t.Fatal(err)
	}
	layer, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if config.RootFS.DiffIDs[0] != "sha256:"+digest(layer) {
		t.Errorf("diff id %s of a layer %s", config.RootFS.DiffIDs[0], digest(layer))
	}
	inside, modes := unpack(t, layer)
	if !bytes.Equal(inside["usr/bin/hairpin"], binary) || modes["usr/bin/hairpin"] != 0o755 || len(inside) != len(contents(nil)) {
		t.Errorf("the layer has %v", modes)
	}
	var old []struct {
		Config           string
		RepoTags, Layers []string
	}
	decode(t, files["manifest.json"], &old)
	if len(old) != 1 || old[0].Config != path(manifest.Config) || strings.Join(old[0].Layers, " ") != path(manifest.Layers[0]) {
		t.Errorf("manifest.json %+v", old)
	}
}

// TestNotStatic: what would not start in an empty image is refused.
func TestNotStatic(t *testing.T) {
	if _, err := build([]byte("#!/bin/sh\n"), options{}); err == nil {
		t.Error("a script was taken")
	}
	shell, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := build(shell, options{}); err == nil || !strings.Contains(err.Error(), "not static") {
		t.Errorf("a program that is not static: %v", err)
	}
}
