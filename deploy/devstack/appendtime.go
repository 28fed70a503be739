package devstack

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// appendTime gives records of topics with message.timestamp.type=LogAppendTime the time at which the broker gets them, which kfake leaves
// to their writer. It changes batches on their way in, before kfake sees them: all records of one get its time. The batch's bit for
// LogAppendTime stays unset, because kfake would set the time once more and leave the checksum as it was.
//
// Times never go back, whatever the clock does.
type appendTime struct {
	cluster    *kfake.Cluster
	client     *kgo.Client
	admin      *kadm.Client
	ctx        context.Context //nolint:containedctx // It ends with the cluster, and so do questions to it.
	cancel     context.CancelFunc
	decompress kgo.Decompressor
	compress   map[kgo.CompressionCodecType]kgo.Compressor

	// last is of the last batch, in milliseconds since 1970. kfake handles one request at a time.
	last int64

	mu sync.Mutex
	// stamps are the topics, by name and by id, and whether their records get the broker's time; they are asked for when one is missing,
	// and forgotten when settings may have changed, which changed counts.
	stamps  map[string]bool
	changed int
}

// startAppendTime begins with a cluster that nobody writes to yet.
func startAppendTime(ctx context.Context, cluster *kfake.Cluster, options ...kgo.Opt) (*appendTime, error) {
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(cluster.ListenAddrs()...))...)
	if err != nil {
		return nil, fmt.Errorf("connecting to the embedded Kafka: %w", err)
	}
	a := &appendTime{
		cluster: cluster, client: client, admin: kadm.NewClient(client), decompress: kgo.DefaultDecompressor(),
		compress: map[kgo.CompressionCodecType]kgo.Compressor{}, stamps: map[string]bool{},
	}
	for codec, compression := range map[kgo.CompressionCodecType]kgo.CompressionCodec{
		kgo.CodecGzip: kgo.GzipCompression(), kgo.CodecSnappy: kgo.SnappyCompression(),
		kgo.CodecLz4: kgo.Lz4Compression(), kgo.CodecZstd: kgo.ZstdCompression(),
	} {
		if a.compress[codec], err = kgo.DefaultCompressor(compression); err != nil {
			client.Close()
			return nil, fmt.Errorf("preparing compression %d: %w", codec, err)
		}
	}
	if err := a.goOn(ctx); err != nil {
		client.Close()
		return nil, err
	}
	a.ctx, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
	cluster.ControlKey(int16(kmsg.Produce), a.produce)
	for _, key := range []kmsg.Key{kmsg.CreateTopics, kmsg.DeleteTopics, kmsg.AlterConfigs, kmsg.IncrementalAlterConfigs} {
		cluster.ControlKey(int16(key), a.forget)
	}
	return a, nil
}

func (a *appendTime) close() {
	a.cancel()
	a.client.Close()
}

// goOn reads the latest time that the broker gave: the clock may be behind it.
func (a *appendTime) goOn(ctx context.Context) error {
	var err error
	var ours []string
	if a.stamps, ours, err = a.ask(ctx); err != nil || len(ours) == 0 {
		return err
	}
	listed, err := a.admin.ListMaxTimestampOffsets(ctx, ours...)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return fmt.Errorf("reading the latest time of the embedded Kafka's records: %w", err)
	}
	listed.Each(func(offset kadm.ListedOffset) { a.last = max(a.last, offset.Timestamp) })
	return nil
}

// forget is called when topics or settings may be about to change.
func (a *appendTime) forget(kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // kfake's signature
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stamps, a.changed = map[string]bool{}, a.changed+1
	return nil, nil, false //nolint:nilnil // kfake goes on with it.
}

// produce sets the times of a request's batches, and lets kfake go on with it.
func (a *appendTime) produce(request kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // kfake's signature
	produce, ok := request.(*kmsg.ProduceRequest)
	if !ok {
		return nil, nil, false //nolint:nilnil // kfake goes on with it.
	}
	stamps, known := a.known(produce)
	if !known {
		var err error
		a.cluster.SleepControl(func() { err = a.learn() })
		if err != nil {
			return nil, err, true // The connection is closed, and the writer tries again.
		}
		stamps, _ = a.known(produce) // What is not known now is no topic.
	}
	a.last = max(a.last, time.Now().UnixMilli())
	for i := range produce.Topics {
		if !stamps[i] {
			continue
		}
		partitions := produce.Topics[i].Partitions
		for p := range partitions {
			if stamped, ok := a.stamp(partitions[p].Records); ok {
				partitions[p].Records = stamped
			}
		}
	}
	return nil, nil, false //nolint:nilnil // kfake goes on with it.
}

// known tells which of a request's topics get the broker's times; false where that is not known of all.
func (a *appendTime) known(request *kmsg.ProduceRequest) (stamps []bool, all bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	stamps, all = make([]bool, len(request.Topics)), true
	for i := range request.Topics {
		key := request.Topics[i].Topic
		if key == "" {
			key = string(request.Topics[i].TopicID[:])
		}
		stamp, ok := a.stamps[key]
		stamps[i], all = stamp, all && ok
	}
	return stamps, all
}

// learn asks for the topics and their settings, again if they change meanwhile.
func (a *appendTime) learn() error {
	for {
		a.mu.Lock()
		changed := a.changed
		a.mu.Unlock()
		found, _, err := a.ask(a.ctx)
		if err != nil {
			return err
		}
		a.mu.Lock()
		if a.changed == changed {
			a.stamps = found
			a.mu.Unlock()
			return nil
		}
		a.mu.Unlock()
	}
}

// ask gives stamps, and the names of the topics that get the broker's times.
func (a *appendTime) ask(ctx context.Context) (stamps map[string]bool, ours []string, err error) {
	stamps = map[string]bool{}
	all := kmsg.NewMetadataRequest() // kadm would take what it asked a moment ago for true.
	topics, err := all.RequestWith(ctx, a.client)
	if err != nil {
		return nil, nil, fmt.Errorf("asking the embedded Kafka for its topics: %w", err)
	}
	ids := map[string]string{}
	for i := range topics.Topics {
		ids[*topics.Topics[i].Topic] = string(topics.Topics[i].TopicID[:])
	}
	if len(ids) == 0 {
		return stamps, nil, nil
	}
	described, err := a.admin.DescribeTopicConfigs(ctx, slices.Collect(maps.Keys(ids))...)
	if err != nil {
		return nil, nil, fmt.Errorf("asking the embedded Kafka for its topics' settings: %w", err)
	}
	for _, topic := range described {
		for _, config := range topic.Configs {
			if config.Key != "message.timestamp.type" {
				continue
			}
			stamp := config.MaybeValue() == "LogAppendTime"
			stamps[topic.Name], stamps[ids[topic.Name]] = stamp, stamp
			if stamp {
				ours = append(ours, topic.Name)
			}
		}
	}
	return stamps, ours, nil
}

// Where the fields of a batch lie: https://kafka.apache.org/documentation/#recordbatch.
const (
	batchLengthAt     = 8
	batchCRCAt        = 17
	batchAttributesAt = 21
	batchFirstTimeAt  = 27
	batchMaxTimeAt    = 35
	batchCountAt      = 57
	batchRecordsAt    = 61
	codecBits         = 0x07
	timestampBit      = 0x08
)

// stamp is a batch with our time; false where it is none that kfake takes, which says so itself.
func (a *appendTime) stamp(batch []byte) ([]byte, bool) {
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	if len(batch) < batchRecordsAt || int(binary.BigEndian.Uint32(batch[batchLengthAt:])) != len(batch)-batchLengthAt-4 ||
		binary.BigEndian.Uint32(batch[batchCRCAt:]) != crc32.Checksum(batch[batchAttributesAt:], castagnoli) {
		return nil, false
	}
	attributes := binary.BigEndian.Uint16(batch[batchAttributesAt:])
	codec := kgo.CompressionCodecType(attributes & codecBits)
	records, err := a.decompress.Decompress(batch[batchRecordsAt:], codec)
	if err != nil {
		return nil, false
	}
	flat, ok := flatten(records, int(binary.BigEndian.Uint32(batch[batchCountAt:])))
	if !ok {
		return nil, false
	}
	stamped := make([]byte, batchRecordsAt, len(batch))
	copy(stamped, batch)
	switch compressor := a.compress[codec]; {
	case flat == nil: // The times are the same already; only the batch's changes.
		stamped = append(stamped, batch[batchRecordsAt:]...)
	case compressor == nil:
		stamped = append(stamped, flat...)
	default:
		compressed, used := compressor.Compress(new(bytes.Buffer), flat)
		stamped = append(stamped, compressed...)
		attributes = attributes&^codecBits | uint16(used) //nolint:gosec // Three bits.
	}
	binary.BigEndian.PutUint32(stamped[batchLengthAt:], uint32(len(stamped)-batchLengthAt-4)) //nolint:gosec // As long as it was.
	binary.BigEndian.PutUint16(stamped[batchAttributesAt:], attributes&^timestampBit)
	binary.BigEndian.PutUint64(stamped[batchFirstTimeAt:], uint64(a.last)) //nolint:gosec // A time.
	binary.BigEndian.PutUint64(stamped[batchMaxTimeAt:], uint64(a.last))   //nolint:gosec // A time.
	binary.BigEndian.PutUint32(stamped[batchCRCAt:], crc32.Checksum(stamped[batchAttributesAt:], castagnoli))
	return stamped, true
}

// flatten is records whose time is that of their batch; nil where they are so already, false where they are no records.
func flatten(records []byte, count int) (flat []byte, ok bool) {
	same := true
	flat = make([]byte, 0, len(records))
	for range count {
		length, n := binary.Varint(records)
		if n <= 0 || length < 2 || length > int64(len(records)-n) {
			return nil, false
		}
		record := records[n : n+int(length)]
		records = records[n+int(length):]
		delta, m := binary.Varint(record[1:])
		if m <= 0 {
			return nil, false
		}
		same = same && delta == 0
		flat = binary.AppendVarint(flat, length-int64(m)+1)
		flat = append(flat, record[0], 0)
		flat = append(flat, record[1+m:]...)
	}
	if len(records) > 0 {
		return nil, false
	}
	if same {
		return nil, true
	}
	return flat, true
}
