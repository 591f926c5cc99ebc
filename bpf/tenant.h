// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi_tenant.h"
#include "map.h"

MAP(vip_tenants, ARRAY, struct vip_tenants, GENERATIONS, BPF_F_MMAPABLE);

// The number of the tenant whose VIP has this number in a version of the VIP tables; 0 = of none.
AI __u32 tenant_of(__u32 version, __u32 vip)
{
	struct vip_tenants *t = bpf_map_lookup_elem(&vip_tenants, &version);
	return t ? t->of[vip & (VIPS - 1)] & (VIPS - 1) : 0;
}
