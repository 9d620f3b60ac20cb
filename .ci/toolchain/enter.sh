# Sourced: enter_root ROOT COMMAND... runs a command inside a toolchain root, as the same user, in the same folder, with
# every folder of this machine at its own place. Only /usr, /etc, /var and /run are the root's. More options of bwrap may
# stand in enter_options.

enter_options=()
enter_root() {
    local root=$1 entry name
    shift
    local options=(--die-with-parent --clearenv
        --ro-bind "$root/usr" /usr --symlink usr/bin /bin --symlink usr/sbin /sbin --symlink usr/lib /lib
        --ro-bind "$root/etc" /etc --tmpfs /run --tmpfs /var --ro-bind "$root/var/lib/dpkg" /var/lib/dpkg
        --dev-bind /dev /dev --bind /proc /proc --ro-bind /sys /sys)
    [[ -e $root/usr/lib64 ]] && options+=(--symlink usr/lib64 /lib64)
    for name in passwd group hosts hostname resolv.conf; do
        [[ -e /etc/$name ]] && options+=(--ro-bind "$(realpath "/etc/$name")" "/etc/$name")
    done
    for entry in /*; do
        case $entry in
            /bin | /sbin | /lib | /lib32 | /lib64 | /libx32 | /usr | /etc | /var | /run | /dev | /proc | /sys) continue ;;
            /boot | /lost+found) continue ;;
        esac
        if [[ -L $entry ]]; then options+=(--symlink "$(readlink "$entry")" "$entry")
        elif [[ -d $entry ]]; then options+=(--bind "$entry" "$entry"); fi
    done
    # What lies below /var or /run: the folders we work in, and those of paths given as arguments.
    local path
    for path in "$PWD" "$HOME" "$checkout" "$checkout/../shared" "$cache" "${TMPDIR:-/tmp}" "/var/tmp" "$@"; do
        path=$(realpath --canonicalize-missing -- "${path#*=}" 2>/dev/null) || continue
        [[ -d $path ]] || path=$(dirname "$path")
        case $path in /var/* | /run/*) [[ -d $path ]] && options+=(--bind "$path" "$path") ;; esac
    done
    while read -r name; do
        case $name in
            KVSTONE_* | OMP_* | OMPI_* | PRTE_* | PMIX_* | UCX_* | SLURM_* | KOKKOS_* | CUDA_VISIBLE_DEVICES) ;;
            ASAN_OPTIONS | UBSAN_OPTIONS | LSAN_OPTIONS | TSAN_OPTIONS | GTEST_* | CTEST_* | CCACHE_* | CI) ;;
            HOME | USER | LOGNAME | TMPDIR | TZ | XDG_CACHE_HOME | TERM | COLORTERM | NO_COLOR | COLUMNS | LINES) ;;
            *) continue ;;
        esac
        options+=(--setenv "$name" "${!name}")
    done < <(compgen -e)
    options+=(--setenv PATH "${inside_path:+$inside_path:}/usr/bin:/usr/sbin" --setenv LANG C.UTF-8)
    # Open MPI: more ranks than cores is usual here, and so is root.
    options+=(--setenv OMPI_ALLOW_RUN_AS_ROOT 1 --setenv OMPI_ALLOW_RUN_AS_ROOT_CONFIRM 1
              --setenv PRTE_ALLOW_RUN_AS_ROOT 1 --setenv PRTE_ALLOW_RUN_AS_ROOT_CONFIRM 1
              --setenv PRTE_MCA_mapby :oversubscribe)

    options+=("${enter_options[@]}")

    # A signal must reach the command, not the sandbox around it (which would kill the command). An interrupt from the
    # terminal goes to every process by itself: the sandbox, in the background, ignores it. Others are handed on.
    (trap '' TERM HUP
     . "$checkout/.ci/toolchain/tools.sh"
     exec bwrap "${options[@]}" --chdir "$PWD" -- env --default-signal=INT,QUIT,TERM,HUP "$@") <&0 &
    local sandbox=$! status=0
    trap : INT QUIT
    trap 'kill -TERM $(cat "/proc/$sandbox/task/$sandbox/children") 2>/dev/null' TERM
    trap 'kill -HUP $(cat "/proc/$sandbox/task/$sandbox/children") 2>/dev/null' HUP
    while :; do
        status=0
        wait "$sandbox" || status=$?
        kill -0 "$sandbox" 2>/dev/null || break
    done
    trap - INT QUIT TERM HUP
    return "$status"
}
