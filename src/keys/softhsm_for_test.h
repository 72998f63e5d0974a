#pragma once

#include <gtest/gtest.h>
#include <p11-kit/p11-kit.h>
#include <p11-kit/pkcs11.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

// SoftHSM with its tokens in a folder of the test's, and an operator who makes tokens and keys in
// it as softhsm2-util and pkcs11-tool would.
namespace stint::keys::testing {

inline constexpr const char* kModule = "/usr/lib/softhsm/libsofthsm2.so";
inline constexpr const char* kUri = "pkcs11:token=stint-test;object=stint-root-test";
inline const std::string kPin = "test-pin-1234";

inline unsigned char* bytes(std::string& s) { return reinterpret_cast<unsigned char*>(s.data()); }

class Operator {
 public:
  Operator() {
    module_ = p11_kit_module_load(kModule, P11_KIT_MODULE_UNMANAGED);
    if (module_ == nullptr || p11_kit_module_initialize(module_) != CKR_OK) std::abort();
  }
  ~Operator() {
    p11_kit_module_finalize(module_);
    p11_kit_module_release(module_);
  }
  // In the free slot that SoftHSM always has.
  void add_token(std::string label) {
    label.resize(32, ' ');
    std::string so_pin = "test-so-pin", pin = kPin;
    const CK_SLOT_ID slot = slots().back();
    check(module_->C_InitToken(slot, bytes(so_pin), so_pin.size(), bytes(label)));
    const auto session = open(slot, CKU_SO, so_pin);
    check(module_->C_InitPIN(session, bytes(pin), pin.size()));
    check(module_->C_CloseSession(session));
  }
  void add_key(std::size_t token, std::string label) {
    std::string pin = kPin, id = label;
    const auto session = open(slots().at(token), CKU_USER, pin);
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ULONG size = 32;
    CK_MECHANISM mechanism{CKM_AES_KEY_GEN, nullptr, 0};
    CK_ATTRIBUTE attributes[]{
        {CKA_TOKEN, &yes, sizeof yes},           {CKA_SENSITIVE, &yes, sizeof yes},
        {CKA_EXTRACTABLE, &no, sizeof no},       {CKA_ENCRYPT, &yes, sizeof yes},
        {CKA_DECRYPT, &yes, sizeof yes},         {CKA_VALUE_LEN, &size, sizeof size},
        {CKA_LABEL, label.data(), label.size()}, {CKA_ID, id.data(), id.size()}};
    CK_OBJECT_HANDLE key = 0;
    check(module_->C_GenerateKey(session, &mechanism, attributes, std::size(attributes), &key));
    check(module_->C_CloseSession(session));
  }

 private:
  static void check(CK_RV rv) { ASSERT_EQ(rv, static_cast<CK_RV>(CKR_OK)); }
  std::vector<CK_SLOT_ID> slots() {
    CK_ULONG count = 0;
    check(module_->C_GetSlotList(CK_TRUE, nullptr, &count));
    std::vector<CK_SLOT_ID> out(count);
    check(module_->C_GetSlotList(CK_TRUE, out.data(), &count));
    return out;
  }
  CK_SESSION_HANDLE open(CK_SLOT_ID slot, CK_USER_TYPE who, std::string& pin) {
    CK_SESSION_HANDLE session = 0;
    check(module_->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr,
                                 &session));
    check(module_->C_Login(session, who, bytes(pin), pin.size()));
    return session;
  }
  CK_FUNCTION_LIST* module_ = nullptr;
};

// One token with one key, for kUri and kPin.
inline void make_softhsm_in(const std::string& folder) {
  ASSERT_EQ(::access(kModule, R_OK), 0) << "apt-get install softhsm2";
  ASSERT_EQ(::mkdir((folder + "/tokens").c_str(), 0700), 0);
  std::ofstream(folder + "/softhsm2.conf")
      << "directories.tokendir = " << folder << "/tokens\nlog.level = ERROR\n";
  ::setenv("SOFTHSM2_CONF", (folder + "/softhsm2.conf").c_str(), 1);
  Operator an_operator;
  an_operator.add_token("stint-test");
  an_operator.add_key(0, "stint-root-test");
}

}  // namespace stint::keys::testing
