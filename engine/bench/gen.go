// Package bench measures what packets, edits and looks cost, and how exact limits are; its programs are no part of the data
// path.
package bench

//go:generate go tool bpf2go -cc clang-16 -strip llvm-strip-16 -target bpfel -no-global-types -go-package bench -cflags "-O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -mcpu=v3 -I../../bpf -I/usr/include/x86_64-linux-gnu" Wrap wrap.bpf.c
//go:generate go tool bpf2go -cc clang-16 -strip llvm-strip-16 -target bpfel -no-global-types -go-package bench -cflags "-O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -mcpu=v3 -I../../bpf -I/usr/include/x86_64-linux-gnu" Arrivals arrivals.bpf.c
