package engine

import (
	"fmt"
	"net"
	"os"
	"os/user"
	"slices"
	"strconv"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"hairpin/engine/arms"
)

// armsGroup is the group whose members may change the node.
const armsGroup = "hairpin"

// peer is who is at the other end, as the kernel says it.
type peer struct {
	pid    int
	uid    uint32
	groups []uint32 // the primary one first
}

func credentials(c *net.UnixConn) (p peer, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return peer{}, err
	}
	var asked error
	if err := raw.Control(func(fd uintptr) { p, asked = peerOf(int(fd)) }); err != nil {
		return peer{}, err
	}
	if asked != nil {
		return peer{}, fmt.Errorf("ask who connects: %w", asked)
	}
	return p, nil
}

func peerOf(fd int) (peer, error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return peer{}, err
	}
	groups, err := peerGroups(fd)
	if err != nil {
		return peer{}, err
	}
	return peer{int(cred.Pid), cred.Uid, append([]uint32{cred.Gid}, groups...)}, nil
}

// peerGroups are the supplementary groups that the other end had when it connected. A user can have 65,536.
func peerGroups(fd int) ([]uint32, error) {
	for room := uint32(32); ; {
		groups := make([]uint32, room)
		size := room * 4
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == unix.ERANGE && size/4 > room:
			room = size / 4
		case errno != 0:
			return nil, errno
		default:
			return groups[:size/4], nil
		}
	}
}

// group is the one whose members may change the node. It is looked for until there is one.
type group struct {
	lookup func(name string) (*user.Group, error)

	mu  sync.Mutex
	gid *uint32
}

func newGroup() *group {
	g := &group{lookup: user.LookupGroup}
	g.find()
	return g
}

// find is the group's number; nil while there is no such group.
func (g *group) find() *uint32 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gid != nil {
		return g.gid
	}
	found, err := g.lookup(armsGroup)
	if err != nil {
		return nil
	}
	if n, err := strconv.ParseUint(found.Gid, 10, 32); err == nil {
		gid := uint32(n)
		g.gid = &gid
	}
	return g.gid
}

// superior tells whether a user can do whatever the engine can.
func superior(uid uint32) bool { return uid == 0 || int(uid) == os.Geteuid() }

// permits tells whether p may change the node: root, whom nobody can stop, the user that the engine runs as, who can stop
// the engine, and the members of the group.
func (g *group) permits(p peer) bool {
	if superior(p.uid) {
		return true
	}
	gid := g.find()
	return gid != nil && slices.Contains(p.groups, *gid)
}

// party is p as the guard knows it, under the number of its connection.
func (g *group) party(p peer, id uint64) arms.Party {
	a := arms.Party{ID: id, UID: p.uid, Who: userOf(p)}
	a.Place, a.From = placeOf(p.pid)
	if !g.permits(p) {
		a.Barred = fmt.Sprintf("only root and the group %s may, this is %s (uid %d)", armsGroup, a.Who, p.uid)
	}
	return a
}
