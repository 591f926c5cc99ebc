package command

// bashCompletion is cobra's protocol in plain bash. Cobra's own script needs the package bash-completion, which a node often
// does not have. The line is split at blanks and not as bash does, which would cut IPv6 addresses at their colons; of each
// answer bash is then given what comes behind the last colon or equals sign. The numbers are cobra's directives: 2 no blank
// behind the word, 4 no names of files, 8 only files with these endings.
const bashCompletion = `# bash completion of hairpin
_hairpin() {
	local line=${COMP_LINE:0:COMP_POINT} words out directive cur cut word ext
	read -ra words <<<"$line"
	[[ $line == *[[:space:]] ]] && words+=("")
	out=$("${words[0]}" __complete "${words[@]:1}" 2>/dev/null) || return
	directive=${out##*:} out=${out%:*}
	cur=${words[${#words[@]} - 1]}
	[[ $cur == -*=* ]] && cur=${cur#*=}
	cut=${cur%"${cur##*[:=]}"}
	COMPREPLY=()
	if ((directive & 8)); then
		compopt -o filenames
		while read -r ext; do
			[[ -n $ext ]] || continue
			while read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -X "!*.$ext" -- "$cur")
		done <<<"$out"
		while read -r word; do COMPREPLY+=("$word"); done < <(compgen -d -- "$cur")
		return
	fi
	while IFS=$'\t' read -r word _; do
		[[ -n $word && $word == "$cur"* ]] && COMPREPLY+=("${word#"$cut"}")
	done <<<"$out"
	((directive & 2)) && compopt -o nospace
	if ((${#COMPREPLY[@]} == 0 && !(directive & 4))); then compopt -o default; fi
}
complete -F _hairpin hairpin
`
