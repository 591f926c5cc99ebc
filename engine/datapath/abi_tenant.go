package datapath

// vipTenants are the numbers of tenants by those of their VIPs, in one version of the VIP tables.
type vipTenants struct{ Of [VIPs]uint16 }
