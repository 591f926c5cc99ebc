// Image writes a container image with one static binary and nothing else, without a daemon: a tar that is an OCI layout and
// what "docker load" reads at once (OCI image specification 1.1). Equal arguments make equal bytes.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	var o options
	binary := flag.String("binary", "bin/hairpin", "the static `PROGRAM`")
	out := flag.String("o", "bin/hairpin-image.tar", "the `FILE` to write")
	seconds := flag.Int64("time", 0, "of all files, in `SECONDS` since 1970")
	flag.StringVar(&o.version, "version", "devel", "the program's, and the image's `TAG`")
	flag.StringVar(&o.arch, "arch", "amd64", "`amd64` or arm64")
	flag.Parse()
	o.time = time.Unix(*seconds, 0).UTC()
	if err := write(*binary, *out, o); err != nil {
		fmt.Fprintf(os.Stderr, "image: %v\n", err)
		os.Exit(1)
	}
}

func write(binary, out string, o options) error {
	program, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	image, err := build(program, o)
	if err != nil {
		return fmt.Errorf("build: %w", err)
	}
	return os.WriteFile(out, image, 0o644)
}
