package datapath

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// Name is the same for as long as these maps live, over restarts and upgrades, and no other maps have it: what was noted
// about their counters holds for them alone.
func (k *Kernel) Name() (string, error) {
	m, err := k.meta()
	if err != nil {
		return "", fmt.Errorf("read meta: %w", err)
	}
	secret := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64([]byte("name "), m.ConnKey[0]), m.ConnKey[1])
	sum := sha256.Sum256(secret)
	return hex.EncodeToString(sum[:8]), nil
}
