package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/gcerrors"

	"github.com/shipmate/shipmate/pipeline"
)

// storeOptions are what may follow a bucket's URL. None of them is a secret:
// who the bot is, the SDK reads from its usual variables and files.
var storeOptions = []string{"region", "endpoint", "use_path_style", "disable_https", "prefix", "ssetype", "kmskeyid", "request_checksum_calculation", "response_checksum_validation"}

func (c *Config) checkStore() error {
	if c.StoreURL == "" {
		return nil
	}
	u, err := url.Parse(c.StoreURL)
	if err != nil { // it would repeat the URL, and what somebody took for its password
		return errors.New("SHIPMATE_STORE_URL cannot be read; it is s3://bucket?region=REGION, or file:///folder")
	}
	switch {
	case u.User != nil:
		return errors.New("SHIPMATE_STORE_URL has a user or a password in it; take them out and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the bot a role")
	case u.Scheme == "file" && u.Host == "" && filepath.IsAbs(u.Path) && u.RawQuery == "":
		return nil
	case u.Scheme != "s3" || u.Host == "" || u.Path != "":
		return errors.New("SHIPMATE_STORE_URL is neither a bucket, s3://bucket?region=REGION, nor a folder, file:///folder")
	}
	for name := range u.Query() {
		if !slices.Contains(storeOptions, name) {
			return fmt.Errorf("SHIPMATE_STORE_URL: %s cannot follow the bucket; what can: %q. Credentials come from the variables of the AWS SDK alone", pipeline.QuoteSetting(name), storeOptions)
		}
	}
	return bucketsLeftOut()
}

// openStore opens what keeps logs of ended steps and artifacts: a bucket that
// all replicas share, or a folder.
func openStore(ctx context.Context, cfg Config, log *slog.Logger) (*blob.Bucket, error) {
	folder := filepath.Join(cfg.DataDir, "logs")
	if u, err := url.Parse(cfg.StoreURL); err == nil && u.Scheme == "file" {
		folder, cfg.StoreURL = u.Path, ""
	}
	if cfg.StoreURL == "" {
		// A file is put together beside its place: the folder for temporary files may lie on another disk.
		return fileblob.OpenBucket(folder, &fileblob.Options{CreateDir: true, NoTempDir: true})
	}
	bucket, err := blob.OpenBucket(ctx, cfg.StoreURL)
	if err != nil {
		return nil, &usageError{fmt.Errorf("SHIPMATE_STORE_URL: %w", err)}
	}
	if err := reachable(ctx, bucket, log); err != nil {
		return nil, errors.Join(err, bucket.Close())
	}
	return bucket, nil
}

// reachable refuses a bucket that is not there or not ours. One that does not
// answer now may later: runs without artifacts need not wait for it.
func reachable(ctx context.Context, bucket *blob.Bucket, log *slog.Logger) error {
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	there, err := bucket.IsAccessible(ctx)
	switch {
	case err == nil && !there:
		return &usageError{errors.New("SHIPMATE_STORE_URL: there is no such bucket; make it, or correct its name and region")}
	case gcerrors.Code(err) == gcerrors.PermissionDenied:
		return &usageError{fmt.Errorf("SHIPMATE_STORE_URL: the bot may not list the bucket; allow it to list, get, put and delete objects there: %w", err)}
	case err != nil:
		log.Warn("the store of logs and artifacts does not answer", "err", err)
	}
	return nil
}
