package datapath

import "hairpin/engine/spec"

// choiceFlags say how a VIP chooses where that is not as usual.
func choiceFlags(v *spec.VIP) (flags uint16) {
	flags = uint16(v.Hash) << vipHashShift
	if v.QUIC != spec.NoQUIC {
		flags |= VIPQUIC
	}
	if v.IDIn != spec.IDNowhere {
		flags |= VIPID
	}
	if v.Local {
		flags |= VIPLocal
	}
	if v.Handover {
		flags |= VIPHandover
	}
	if v.Protocol == spec.UDP && v.Encap == spec.GUE && (v.Port == 0 || v.Port == v.EncapPort) {
		flags |= VIPTunnel
	}
	return flags
}

// quicServer is an entry of the servers that packets name.
func quicServer(num uint16, server uint32, backend uint16) uint64 {
	return uint64(server) | uint64(num)<<quicNumShift | uint64(backend)<<quicBackendShift | quicUsed
}

// hash is what decides about a packet's slot of the ring.
func (v *VIP) hash() spec.Hash { return spec.Hash(v.Flags >> vipHashShift & 3) }

// settle has an entry settle, with a ring before that is read by a hash. Packets may read it: the flags come last.
func (v *VIP) settle(before place, size uint32, by spec.Hash) {
	v.Before, v.BeforeSize = before, size
	flags := v.Flags&^VIPRehashed | VIPSettling
	if by != v.hash() {
		flags |= VIPRehashed
	}
	v.Flags = flags
}

// QUIC is what the packets of a VIP named, ever.
func (k *Kernel) QUIC(num uint16) (sum QUICCount) {
	for _, c := range k.counted {
		sum.Known += c.QUIC[num].Known
		sum.Unknown += c.QUIC[num].Unknown
	}
	return sum
}
