// Package lab is a whole load-balancer network in network namespaces on this machine: the demo, and the bench of the
// integration tests.
//
//	                 198.51.100.0/24                        10.1.0.0/24
//	                 2001:db8:c::/64                        fd00:1:0::/64
//	                    MTU 1500                               MTU 1600
//	client   eth0 ─────────────────── client  router  lb ─────────────────── eth0   lb
//	      .11 - .18                     .1      │     .1                    .10
//	     ::11 - ::18                   ::1      │    ::1                   ::10
//	                                            │
//	                      backend1, … backendN: │ 10.1.I.0/24, fd00:1:I::/64, MTU 1600
//	                              router .1 ::1 │ backendI .10 ::10
//	                                            │
//	                             ┌──────────────┼──────────────┐
//	                           eth0           eth0            eth0
//	                         backend1       backend2   …    backendN        lo: 10.99.0.1, fd00:99::1
//
// Further load balancers lb2, lb3 … stand beside lb, on 10.2.J.0/24 and fd00:2:J::/64. Then they announce the VIPs by BGP, and the router
// spreads flows over those that do: it runs BIRD, FRR, or a small router of hairpin's own.
//
// With a store, a node of that name stands at 10.3.0.10, and load balancers and backends have their specs from it, as one fleet.
//
// The VIPs are web (10.99.0.1 and fd00:99::1, TCP 80) and echo (10.99.0.1, UDP 7). The router sends 10.99.0.0/24 and
// fd00:99::/64 to an lb that is alone; every backend holds the addresses on lo and answers straight to the client. A name on a wire is
// the name of the interface on that side. I counts from 1 and is written in decimal in both families.
//
// A lab called L is the namespaces hairpin-L-client … in /run/netns, and the folder /run/hairpin-lab/L with one folder
// per node: config/, state/, run/, bpf/ (a bpffs of its own), logs and pid files. Nothing else on the machine is
// touched. Programs are run in a node's network namespace and stay in the machine's mount namespace, so that pins and
// sockets are visible from outside.
package lab
