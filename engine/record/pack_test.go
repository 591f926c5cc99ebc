package record

import (
	"bytes"
	"compress/flate"
	"io"
	"reflect"
	"testing"
)

var sampleType = reflect.TypeFor[sample]()

func valueOf(v *sample) reflect.Value { return reflect.ValueOf(v).Elem() }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func unpacked(t testing.TB, packed []byte) []byte {
	t.Helper()
	plain, err := io.ReadAll(flate.NewReader(bytes.NewReader(packed)))
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func repacked(t testing.TB, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := must(flate.NewWriter(&out, flate.HuffmanOnly))
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
