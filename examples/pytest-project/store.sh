# A store of records of 4 KiB on a zoned disk: sh store.sh DISK put TEXT, sh store.sh DISK count.
# It has two bugs, which the tests find.
set -eu
disk=$1
record=8 # sectors of 512 bytes

count() {
    blkzone report "$disk" | sed 's/.*cap \(0x[0-9a-f]*\), wptr \(0x[0-9a-f]*\).*/\1 \2/' | {
        total=0
        while read -r capacity written; do
            [ $((written)) -le $((capacity)) ] || written=$capacity # of a full zone
            total=$((total + written / record))
        done
        echo "$total"
    }
}

put() {
    number=$(count)
    zone=$(blkzone report -c 1 "$disk" | sed 's/.*len \(0x[0-9a-f]*\).*/\1/')
    # The first: what a zone holds is its capacity, not its length.
    each=$((zone / record))
    at=$((number / each * zone / record + number % each))
    printf '%-4096s' "$1" | dd of="$disk" bs=4K seek=$at oflag=direct iflag=fullblock status=none
    # The second: it is said to be stored before the disk's cache was flushed.
    echo "stored $1"
}

case $2 in
    put) put "$3" ;;
    count) count ;;
esac
