#include "stint/merkle/note.h"

#include <gtest/gtest.h>

#include "stint/codec/base64.h"

namespace stint::merkle {
namespace {

// C2SP signed-note v1.0.0, the example of "Verifier keys".
constexpr std::string_view kSpecKey =
    "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
constexpr std::string_view kSpecNote =
    "This is an example message.\n\n"
    "— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
    "\n";

// golang.org/x/mod sumdb/note, documentation and tests: published key pairs and signatures.
constexpr std::string_view kPeterKey =
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
constexpr std::string_view kEnochKey =
    "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
constexpr std::string_view kPublishedTestSeed = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const std::string kText =
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n";
const std::string kPeter =
    "— PeterNeumann "
    "x08go/ZJkuBS9UG/"
    "SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const std::string kEnoch =
    "— EnochRoot "
    "rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/"
    "5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

NoteKey key(std::string_view text) { return NoteKey::parse(text).value(); }

TEST(Note, ExampleOfTheSpecification) {
  EXPECT_EQ(key(kSpecKey).id(), 0x530d903aU);
  EXPECT_EQ(key(kSpecKey).str(), kSpecKey);
  const NoteKey keys[] = {key(kSpecKey)};
  const auto note = verify_note(kSpecNote, keys);
  ASSERT_TRUE(note.has_value()) << note.error().reason.text();
  EXPECT_EQ(note->text(), "This is an example message.\n");
  EXPECT_EQ(note->signers(), std::vector<std::string>{"example.com/foo"});
}

TEST(Note, SignsAsOthersDo) {
  const std::string seed = codec::decode_base64(kPublishedTestSeed)->substr(1);
  const auto signing = crypto::PrivateKey::from_raw(seed, crypto::Alg::kEdDSA);
  ASSERT_TRUE(signing.has_value());
  EXPECT_EQ(sign_note(kText, "PeterNeumann", *signing).value(), kText + "\n" + kPeter);
  EXPECT_EQ(NoteKey::make("PeterNeumann", signing->public_key())->str(), kPeterKey);

  EXPECT_EQ(sign_note("abc", "a", *signing).error().reason.text(), "note without final newline");
  EXPECT_EQ(sign_note("a\tb\n", "a", *signing).error().reason.text(), "note not plain UTF-8");
  EXPECT_EQ(sign_note("\xff\n", "a", *signing).error().reason.text(), "note not plain UTF-8");
  EXPECT_EQ(sign_note(kText, "a b", *signing).error().reason.text(), "note key name");
  EXPECT_EQ(sign_note(kText, "", *signing).error().reason.text(), "note key name");
}

TEST(Note, IgnoresUnknownKeysAndRefusesFailingKnownOnes) {
  const NoteKey peter[] = {key(kPeterKey)};
  const NoteKey both[] = {key(kPeterKey), key(kEnochKey)};
  const std::string two = kText + "\n" + kPeter + kEnoch;
  EXPECT_EQ(verify_note(two, peter)->signers(), std::vector<std::string>{"PeterNeumann"});
  EXPECT_EQ(verify_note(two, both)->signers(),
            (std::vector<std::string>{"PeterNeumann", "EnochRoot"}));
  EXPECT_EQ(verify_note(two, {}).error().reason.text(), "note bears no signature of a known key");

  std::string edited = two;
  edited[0] = 'i';
  EXPECT_EQ(verify_note(edited, peter).error().reason.text(), "note signature does not verify");
  // One good signature does not make up for a known one that fails.
  std::string broken = kEnoch;
  broken[broken.size() - 8] = broken[broken.size() - 8] == 'A' ? 'B' : 'A';
  EXPECT_EQ(verify_note(kText + "\n" + kPeter + broken, both).error().reason.text(),
            "note signature does not verify");
  EXPECT_TRUE(verify_note(kText + "\n" + kPeter + broken, peter).has_value());
  // The same name with another id is an unknown key.
  const auto other = NoteKey::make(
      "PeterNeumann",
      crypto::PublicKey::from_ed25519(
          codec::decode_base64("O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=").value())
          .value());
  const NoteKey others[] = {other.value()};
  EXPECT_EQ(verify_note(kText + "\n" + kPeter, others).error().code, Errc::kWrongKey);
}

TEST(Note, AcceptsAtLeastSixteenSignaturesAndAtMostAHundred) {
  const NoteKey peter[] = {key(kPeterKey)};
  std::string note = kText + "\n";
  for (int i = 0; i < 100; ++i) note += kPeter;
  EXPECT_TRUE(verify_note(note, peter).has_value());
  EXPECT_EQ(verify_note(note + kPeter, peter).error().reason.text(),
            "note with too many signatures");
  EXPECT_EQ(parse_note(std::string(kMaxNoteBytes + 1, '\n')).error().reason.text(),
            "note too large");
}

TEST(Note, SplitsAtTheLastBlankLine) {
  const auto note = parse_note("a\n\nb\n\n" + kPeter);
  ASSERT_TRUE(note.has_value());
  EXPECT_EQ(note->text, "a\n\nb\n");
}

struct Bad {
  std::string bytes;
  std::string_view reason;
};

TEST(Note, RefusesMalformedWithTheStatedReason) {
  const std::string head = kText + "\n";
  const Bad rows[] = {
      {kText, "note without blank line"},
      {head, "note without signature"},
      {head + kPeter.substr(0, kPeter.size() - 1), "note without final newline"},
      {"\x01" + head + kPeter, "note not plain UTF-8"},
      {"\xff" + head + kPeter, "note not plain UTF-8"},
      {"a\r\n\n" + kPeter, "note not plain UTF-8"},
      {head + kPeter + "Unexpected line.\n", "note signature without dash"},
      {head + "-- PeterNeumann x08go/ZJ\n", "note signature without dash"},
      {head + "— PeterNeumann\n", "note signature without name"},
      {head + "— Bad Name x08go/ZJ\n", "note signature not base64"},
      {head + "—  x08go/ZJ\n", "note key name"},
      {head + "— a+b x08go/ZJ\n", "note key name"},
      {head + "— a\xc2\xa0"
              "b x08go/ZJ\n",
       "note key name"},
      {head + "— a\xe2\x80\x83 x08go/ZJ\n", "note key name"},
      {head + "— a x08goA==\n", "note signature too short"},
      {head + "— a x08go/ZJ=\n", "note signature not base64"},
      {head + "— a x08go/ZJ \n", "note signature not base64"},
      {"", "note without final newline"},
  };
  for (const Bad& row : rows) {
    SCOPED_TRACE(row.bytes);
    const auto got = parse_note(row.bytes);
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error().reason.text(), row.reason);
  }
}

TEST(NoteKey, RefusesEveryCutAndEveryChange) {
  const std::string whole(kPeterKey);
  std::size_t ran = 0;
  for (std::size_t i = 0; i <= whole.size(); ++i) {
    for (std::size_t j = i + 1; j <= whole.size(); ++j) {
      if (i == 0 && j == whole.size()) continue;
      EXPECT_FALSE(NoteKey::parse(whole.substr(i, j - i)).has_value()) << i << ' ' << j;
      ++ran;
    }
  }
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    ++changed[i];
    EXPECT_FALSE(NoteKey::parse(changed).has_value()) << changed;
    ++ran;
  }
  EXPECT_GT(ran, 2000U);
  EXPECT_EQ(NoteKey::parse("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
                .error()
                .code,
            Errc::kUnsupported);
  EXPECT_EQ(NoteKey::parse("PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
                .error()
                .reason.text(),
            "verifier key id does not match");
}

}  // namespace
}  // namespace stint::merkle
