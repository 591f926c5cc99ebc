// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi.h"

// Which VIPs are counted together, besides each by itself: those of one tenant. A tenant has a number among those of
// the VIPs, so that whatever is counted by the number of a VIP can be counted by that of a tenant. One element a
// version of the VIP tables.
struct vip_tenants {
	__u16 of[VIPS]; // num of the tenant, by the num of a VIP; 0 = it has none
};
