package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"
)

// options are what an image is besides its program.
type options struct {
	version string
	arch    string
	time    time.Time
}

// Media types of the parts of an image.
const (
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// descriptor names a blob by its content.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// layout collects the files of an OCI layout.
type layout struct {
	files []entry
}

type entry struct {
	name string
	mode int64
	data []byte // nil: a folder
}

func (l *layout) blob(kind string, data []byte) descriptor {
	sum := digest(data)
	l.files = append(l.files, entry{"blobs/sha256/" + sum, 0o644, data})
	return descriptor{MediaType: kind, Digest: "sha256:" + sum, Size: len(data)}
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// build is the tar of an image whose only file is program.
func build(program []byte, o options) ([]byte, error) {
	if err := static(program); err != nil {
		return nil, err
	}
	files, err := archive(contents(program), o.time)
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(files); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	l := layout{files: []entry{{"blobs/", 0o755, nil}, {"blobs/sha256/", 0o755, nil}}}
	layer := l.blob(typeLayer, packed.Bytes())
	config := l.blob(typeConfig, text(configOf(o, digest(files))))
	manifest := l.blob(typeManifest, text(map[string]any{"schemaVersion": 2, "mediaType": typeManifest, "config": config, "layers": []descriptor{layer}}))
	tag := regexp.MustCompile(`[^A-Za-z0-9_.-]`).ReplaceAllString(o.version, "-")
	manifest.Annotations = map[string]string{"org.opencontainers.image.ref.name": tag, "io.containerd.image.name": "docker.io/library/hairpin:" + tag}
	l.files = append(l.files,
		entry{"index.json", 0o644, text(map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []descriptor{manifest}})},
		entry{"manifest.json", 0o644, text([]map[string]any{{"Config": path(config), "RepoTags": []string{"hairpin:" + tag}, "Layers": []string{path(layer)}}})},
		entry{"oci-layout", 0o644, text(map[string]string{"imageLayoutVersion": "1.0.0"})})
	return archive(l.files, o.time)
}

// contents are the folders that the program expects, and the program.
func contents(program []byte) []entry {
	const users = "root:x:0:0:root:/var/lib/hairpin:/usr/bin/hairpin\n"
	return []entry{
		{"etc/", 0o755, nil}, {"etc/group", 0o644, []byte("root:x:0:\n")}, {"etc/hairpin/", 0o755, nil}, {"etc/passwd", 0o644, []byte(users)},
		{"run/", 0o755, nil}, {"run/hairpin/", 0o755, nil},
		{"sys/", 0o555, nil}, {"tmp/", 0o1777, nil},
		{"usr/", 0o755, nil}, {"usr/bin/", 0o755, nil}, {"usr/bin/hairpin", 0o755, program},
		{"var/", 0o755, nil}, {"var/lib/", 0o755, nil}, {"var/lib/hairpin/", 0o750, nil},
	}
}

// configOf is how the image is run; files is the digest of its layer before it is packed.
func configOf(o options, files string) map[string]any {
	return map[string]any{
		"created": o.time.Format(time.RFC3339), "architecture": o.arch, "os": "linux",
		"config": map[string]any{
			"Env": []string{"PATH=/usr/bin"}, "Entrypoint": []string{"/usr/bin/hairpin"}, "Cmd": []string{"run"}, "WorkingDir": "/",
			"Labels":     map[string]string{"org.opencontainers.image.title": "hairpin", "org.opencontainers.image.version": o.version},
			"StopSignal": "SIGTERM",
		},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + files}},
		"history": []map[string]string{{"created": o.time.Format(time.RFC3339), "created_by": "hairpin deploy/image"}},
	}
}

// static refuses a program that needs what is not in the image.
func static(program []byte) error {
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return fmt.Errorf("the program: %w", err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("the program is not static: build it with CGO_ENABLED=0")
		}
	}
	return nil
}

func path(d descriptor) string { return "blobs/sha256/" + d.Digest[len("sha256:"):] }

// text is v as JSON, with the keys of maps in order.
func text(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // these are maps, lists and strings
	}
	return data
}

// archive is a tar of root's files, all as old as t.
func archive(files []entry, t time.Time) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.data)), ModTime: t, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if f.data == nil {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}
