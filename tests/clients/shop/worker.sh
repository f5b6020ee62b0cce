# Takes what is in the queue, and says so.
echo "worker on $(hostname): $GREETING"
while :; do
	item=$(redis-cli -h cache BLPOP "$QUEUE" 0 | tail -n 1)
	[ -n "$item" ] && echo "done: $item"
done
