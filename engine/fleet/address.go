package fleet

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Address is where a store is and what opens it.
type Address struct {
	Endpoints []string // host:port
	Prefix    string   // ends in /
	User      string
	secret    string        // the file with its password
	answer    time.Duration // in which the store connects, and answers
	files     files
	text      string
}

// ParseAddress reads etcd://HOST:PORT,HOST:PORT/PREFIX, and the files that it names. Behind a question mark may stand user and
// password_file, ca, and cert with key: files, by absolute paths. The scheme etcds, ca and cert ask for TLS; its files are read again with each
// connection, and that of the password whenever the store asks for it.
func ParseAddress(text string) (*Address, error) {
	a, err := parseAddress(text)
	if err != nil {
		return nil, fmt.Errorf("store %q: %w", text, err)
	}
	return a, nil
}

func parseAddress(text string) (*Address, error) {
	const form = "write etcd://HOST:PORT,HOST:PORT/PREFIX, or file"
	scheme, rest, found := strings.Cut(text, "://")
	if !found || scheme != "etcd" && scheme != "etcds" {
		return nil, errors.New(form)
	}
	rest, options, _ := strings.Cut(rest, "?")
	hosts, prefix, _ := strings.Cut(rest, "/")
	a := &Address{Prefix: strings.Trim(prefix, "/") + "/", answer: answerTime, text: scheme + "://" + rest}
	if a.Prefix == "/" {
		return nil, errors.New("no prefix: " + form + ": fleets in one etcd are told apart by it")
	}
	for _, h := range strings.Split(hosts, ",") {
		host, port, err := net.SplitHostPort(h)
		if err != nil || host == "" || port == "" || strings.Contains(host, "@") {
			return nil, fmt.Errorf("endpoint %q: write HOST:PORT; etcd's port is 2379", h)
		}
		a.Endpoints = append(a.Endpoints, h)
	}
	q, err := url.ParseQuery(options)
	if err != nil {
		return nil, err
	}
	return a, a.read(scheme == "etcds", q)
}

func (a *Address) read(secure bool, q url.Values) error {
	known := []string{"user", "password_file", "ca", "cert", "key"}
	for name, values := range q {
		switch {
		case !slices.Contains(known, name):
			return fmt.Errorf("%s is not known: there are %s", name, strings.Join(known, ", "))
		case len(values) != 1 || values[0] == "":
			return fmt.Errorf("%s: write it once, with a value", name)
		case name != "user" && !filepath.IsAbs(values[0]):
			return fmt.Errorf("%s: %s is no absolute path: the engine runs in a folder of its own", name, values[0])
		}
	}
	a.User = q.Get("user")
	if (a.User == "") != (q.Get("password_file") == "") {
		return errors.New("user and password_file go together")
	}
	a.secret = q.Get("password_file")
	if _, err := a.password(); err != nil {
		return err
	}
	a.files = files{secure || q.Has("ca") || q.Has("cert") || q.Has("key"), q.Get("ca"), q.Get("cert"), q.Get("key")}
	_, err := a.files.config()
	return err
}

// password is that of the user by now; empty where there is none.
func (a *Address) password() (string, error) {
	if a.User == "" {
		return "", nil
	}
	text, err := os.ReadFile(a.secret)
	if err != nil {
		return "", fmt.Errorf("password_file: %w", err)
	}
	word := strings.TrimSpace(string(text))
	if word == "" {
		return "", fmt.Errorf("password_file: %s is empty", a.secret)
	}
	return word, nil
}

// String is the address without what opens it.
func (a *Address) String() string { return a.text }
