-- GUE variant 1 (IP right behind UDP, as hairpin sends it) for Wireshark and tshark that do not know it.
-- Put it into ~/.local/lib/wireshark/plugins, or: tshark -X lua_script:hairpin-gue.lua -r FILE
-- For another port than 6080: tshark -o hairpin_gue.port:7000, or the preferences of the protocol.
local gue = Proto("hairpin_gue", "Generic UDP Encapsulation, variant 1")
gue.prefs.port = Pref.uint("UDP port", 6080, "where backends take the packets")

local ip, ip6 = Dissector.get("ip"), Dissector.get("ipv6")
local udp, bound = DissectorTable.get("udp.port"), nil

-- The first four bits are the version of the packet within: 4 or 6. Others are variant 0, which hairpin does not send.
function gue.dissector(buffer, info, tree)
	if buffer:len() < 1 then
		return 0
	end
	local version = buffer(0, 1):bitfield(0, 4)
	if version ~= 4 and version ~= 6 then
		return 0
	end
	tree:add(gue, buffer(0, 0), "Generic UDP Encapsulation, variant 1: IPv" .. version .. " within")
	local within = version == 4 and ip or ip6
	return within:call(buffer, info, tree)
end

local function bind()
	if bound then
		udp:remove(bound, gue)
	end
	bound = gue.prefs.port
	udp:add(bound, gue)
end

gue.prefs_changed = bind
bind()
