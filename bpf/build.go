package bpf

import "crypto/sha256"

// Build names the compiled objects: two programs with the same Build may stand in one row.
func Build() [32]byte {
	h := sha256.New()
	for _, object := range [][]byte{_RootBytes, _ParseBytes, _BalancerBytes, _DecapBytes, _SnatBytes, _RebalanceBytes, _FirewallBytes, _GateBytes, _DryBytes, _ExternalBytes,
		_RatelimitBytes, _ConnlimitBytes, _SocketsBytes, _CheckpathBytes, _CaptureBytes, _TlswallBytes, _MirrorBytes, _SteerBytes} {
		sum := sha256.Sum256(object)
		h.Write(sum[:])
	}
	return [32]byte(h.Sum(nil))
}
