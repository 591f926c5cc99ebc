package lab

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

var (
	endOfHead  = []byte("\r\n\r\n")
	endOfLine  = []byte("\r\n")
	statusOK   = []byte("HTTP/1.1 200 ")
	nameHeader = []byte("X-Backend")
	sizeHeader = []byte("Content-Length")
)

// parseAnswer reads an HTTP answer as the lab's servers give them (RFC 9112, with Content-Length). It is whole once the
// body is there.
func parseAnswer(answer []byte) (backend []byte, whole bool, err error) {
	head, body, ok := bytes.Cut(answer, endOfHead)
	if !ok {
		return nil, false, nil
	}
	status, lines, _ := bytes.Cut(head, endOfLine)
	if !bytes.HasPrefix(status, statusOK) {
		return nil, false, fmt.Errorf("answered %q", status)
	}
	size := -1
	for len(lines) > 0 {
		var line []byte
		line, lines, _ = bytes.Cut(lines, endOfLine)
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, nameHeader):
			backend = value
		case bytes.EqualFold(name, sizeHeader):
			if size, err = strconv.Atoi(string(value)); err != nil {
				return nil, false, fmt.Errorf("answered with %q", line)
			}
		}
	}
	if len(backend) == 0 || size < 0 {
		return nil, false, errors.New("answered without X-Backend or Content-Length")
	}
	if len(body) > size {
		return nil, false, errors.New("answered more than Content-Length")
	}
	return backend, len(body) == size, nil
}
