package pipeline

import (
	"slices"
	"strings"
	"time"
)

// ReadZone returns the time zone of a name of the IANA list, or of UTC. Where
// the name is not one, instead is not nil; it lists the zones that were
// probably meant, if that can be told. An abbreviation such as EST is no name,
// though the tz database has some: several zones share it, and it stands for
// half of their year only.
func ReadZone(name string) (zone *time.Location, instead []string) {
	unknown := []string{}
	if name == "UTC" {
		return time.UTC, nil
	}
	if meant, known := abbreviations[strings.ToUpper(name)]; known {
		return nil, slices.Clone(meant)
	}
	hostsOwn := slices.Contains([]string{"", "local", "localtime", "posixrules", "factory"}, strings.ToLower(name)) ||
		strings.HasPrefix(name, "posix/") || strings.HasPrefix(name, "right/")
	if hostsOwn || name == strings.ToUpper(name) && !strings.Contains(name, "/") {
		return nil, unknown
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, unknown
	}
	return zone, nil
}

// abbreviations are what people write for a zone, in capital letters, and the
// names that may be meant, the likeliest first.
var abbreviations = func() map[string][]string {
	all := map[string][]string{}
	for _, row := range []string{
		"EST EDT ET EST5EDT = America/New_York America/Toronto America/Panama",
		"CST CDT CT CST6CDT = America/Chicago America/Mexico_City America/Havana Asia/Shanghai",
		"MST MDT MT MST7MDT = America/Denver America/Phoenix",
		"PST PDT PT PST8PDT = America/Los_Angeles America/Vancouver Asia/Manila",
		"AKST AKDT AKT = America/Anchorage",
		"HST HDT = Pacific/Honolulu America/Adak",
		"AST ADT AT = America/Halifax America/Puerto_Rico Asia/Riyadh",
		"NST NDT NT = America/St_Johns",
		"BRT BRST = America/Sao_Paulo",
		"ART = America/Argentina/Buenos_Aires",
		"CLT CLST = America/Santiago",
		"COT = America/Bogota",
		"PET = America/Lima",
		"GMT GMT0 GMT+0 GMT-0 = UTC Europe/London Africa/Abidjan",
		"UCT Z ZULU = UTC",
		"BST GB = Europe/London Asia/Dhaka",
		"IST = Asia/Kolkata Europe/Dublin Asia/Jerusalem",
		"IDT = Asia/Jerusalem",
		"WET WEST = Europe/Lisbon Atlantic/Canary",
		"CET CEST MET MEST MEZ MESZ = Europe/Berlin Europe/Paris Europe/Madrid",
		"EET EEST = Europe/Helsinki Europe/Kyiv Africa/Cairo",
		"MSK MSD W-SU = Europe/Moscow",
		"TRT = Europe/Istanbul",
		"WAT = Africa/Lagos",
		"CAT = Africa/Maputo Africa/Harare",
		"EAT = Africa/Nairobi",
		"SAST = Africa/Johannesburg",
		"GST = Asia/Dubai",
		"PKT = Asia/Karachi",
		"NPT = Asia/Kathmandu",
		"ICT = Asia/Bangkok Asia/Ho_Chi_Minh",
		"WIB = Asia/Jakarta",
		"WITA = Asia/Makassar",
		"WIT = Asia/Jayapura",
		"SGT = Asia/Singapore",
		"MYT = Asia/Kuala_Lumpur",
		"HKT = Asia/Hong_Kong",
		"PRC = Asia/Shanghai",
		"ROC = Asia/Taipei",
		"KST ROK = Asia/Seoul",
		"JST = Asia/Tokyo",
		"AWST = Australia/Perth",
		"ACST ACDT ACT = Australia/Adelaide Australia/Darwin",
		"AEST AEDT AET = Australia/Sydney Australia/Brisbane",
		"NZST NZDT NZT NZ = Pacific/Auckland",
		"NZ-CHAT = Pacific/Chatham",
		"CHST = Pacific/Guam",
		"SST = Pacific/Pago_Pago",
	} {
		short, names, _ := strings.Cut(row, " = ")
		for _, s := range strings.Fields(short) {
			all[s] = strings.Fields(names)
		}
	}
	return all
}()
