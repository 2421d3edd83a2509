package world

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// claimPorts finds addresses that nothing listens on, and keeps other worlds
// away from them with the UDP port of the same number. They lie below the range
// that systems hand out by themselves: between our look and the bot's listen a
// port of that range may become the end of anybody's connection.
func (w *World) claimPorts(n int) ([]string, error) {
	const first, last = 12000, 30000
	var out []string
	for _, offset := range rand.Perm(last - first) {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(first+offset))
		claim, err := net.ListenPacket("udp", addr)
		if err != nil {
			continue
		}
		if l, err := net.Listen("tcp", addr); err != nil || l.Close() != nil {
			_ = claim.Close()
			continue
		}
		w.claims = append(w.claims, claim)
		if out = append(out, addr); len(out) == n {
			return out, nil
		}
	}
	return nil, fmt.Errorf("no %d free ports between %d and %d", n, first, last)
}
