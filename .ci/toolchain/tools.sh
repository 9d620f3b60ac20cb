# Sourced with $cache set: puts the tools unpacked by make_root behind the machine's own.
tools=$cache/tools
if [[ -d $tools ]]; then
    PATH=$PATH:$tools/usr/bin:$tools/usr/sbin:$tools/bin
    triplet=$(cd "$tools/usr/lib" && echo *-linux-gnu*)
    export PERL5LIB=$tools/usr/share/perl5:$(printf '%s:' "$tools"/usr/share/perl/* "$tools/usr/lib/$triplet"/perl/* \
        "$tools/usr/lib/$triplet"/perl-base)
    export LD_LIBRARY_PATH=$tools/usr/lib/$triplet:$tools/lib/$triplet${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi
PATH=$PATH:/usr/sbin:/sbin
