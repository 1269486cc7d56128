package kafkatest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// SCRAM is the client's side of SCRAM-SHA-256 (RFC 5802), for names and passwords in ASCII.
type SCRAM struct {
	pass, nonce, first, auth string
	key                      []byte
	step                     int
}

// Begin implements Sarama's SCRAMClient.
func (s *SCRAM) Begin(user, pass, _ string) error {
	s.pass, s.nonce = pass, rand.Text()
	s.first = "n=" + user + ",r=" + s.nonce
	return nil
}

// Done implements Sarama's SCRAMClient.
func (s *SCRAM) Done() bool { return s.step > 2 }

// Step implements Sarama's SCRAMClient.
func (s *SCRAM) Step(challenge string) (string, error) {
	s.step++
	switch s.step {
	case 1:
		return "n,," + s.first, nil
	case 2:
		return s.prove(challenge)
	}
	if want := "v=" + base64.StdEncoding.EncodeToString(sign(sign(s.key, "Server Key"), s.auth)); challenge != want {
		return "", errors.New("the server doesn't know the password")
	}
	return "", nil
}

func (s *SCRAM) prove(challenge string) (string, error) {
	fields := make(map[string]string)
	for part := range strings.SplitSeq(challenge, ",") {
		name, value, _ := strings.Cut(part, "=")
		fields[name] = value
	}
	salt, err := base64.StdEncoding.DecodeString(fields["s"])
	if err != nil {
		return "", err
	}
	rounds, err := strconv.Atoi(fields["i"])
	if err != nil {
		return "", err
	}
	if s.key, err = pbkdf2.Key(sha256.New, s.pass, salt, rounds, sha256.Size); err != nil {
		return "", err
	}
	last := "c=biws,r=" + fields["r"]
	s.auth = s.first + "," + challenge + "," + last
	client := sign(s.key, "Client Key")
	stored := sha256.Sum256(client)
	for i, b := range sign(stored[:], s.auth) {
		client[i] ^= b
	}
	return last + ",p=" + base64.StdEncoding.EncodeToString(client), nil
}

func sign(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(text))
	return mac.Sum(nil)
}

// SelfSigned writes a key and its certificate for the loopback into one PEM file.
func SelfSigned(t testing.TB) (keystore string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "broker"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	content := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), certPEM...)
	keystore = filepath.Join(t.TempDir(), "broker.pem")
	if err := os.WriteFile(keystore, content, 0o600); err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)
	return keystore, roots
}
