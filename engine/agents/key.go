package agents

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// Bounds of a secret, in bytes.
const (
	minKey = 32
	maxKey = 4096
)

// Key is the secret that agents and load balancers share.
type Key struct{ secret []byte }

// ReadKey reads the secret in a file that nobody but its owner may read. White space around it does not belong to it.
func ReadKey(name string) (Key, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // what is no file is refused, and not waited for
	if errors.Is(err, os.ErrNotExist) {
		return Key{}, fmt.Errorf("key: %w: make it by (umask 077; head -c 32 /dev/urandom | base64 > %s), the same on agents and "+
			"load balancers", err, name)
	}
	if errors.Is(err, os.ErrPermission) {
		return Key{}, fmt.Errorf("key: %w: it must belong to whom hairpin runs as: run: chown %d %s", err, os.Geteuid(), name)
	}
	if err != nil {
		return Key{}, fmt.Errorf("key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Key{}, fmt.Errorf("key: %w", err)
	}
	if err := private(name, info); err != nil {
		return Key{}, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKey+1))
	if err != nil {
		return Key{}, fmt.Errorf("key: %w", err)
	}
	secret := bytes.TrimSpace(text)
	if len(text) > maxKey || len(secret) < minKey {
		return Key{}, fmt.Errorf("key: %s holds %d bytes: a secret has %d to %d", name, len(secret), minKey, maxKey)
	}
	return Key{secret}, nil
}

// private says why a file is open to others than this user and root.
func private(name string, info os.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("key: %s is no file", name)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("key: %s may be read or changed by others (mode %04o): run: chmod 600 %s", name, mode, name)
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid != 0 && int(s.Uid) != os.Geteuid() {
		return fmt.Errorf("key: %s belongs to user %d, who may change it: run: chown root %s", name, s.Uid, name)
	}
	return nil
}

// Equal tells whether both are the same secret.
func (k Key) Equal(o Key) bool { return hmac.Equal(k.secret, o.secret) }

// sign is the seal of a message.
func (k Key) sign(message []byte) []byte {
	h := hmac.New(sha256.New, k.secret)
	h.Write(message)
	return h.Sum(nil)
}
