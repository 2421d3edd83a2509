//go:build !linux

package redisstore

// Nothing is known of other processes here, so their leases lapse in time.

func world() string   { return "" }
func lookAt(int) seen { return seen{} }
