// Dumps as files of NumPy, single and archived.

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zip.h>

#include "harness/sources/elements.hpp"
#include "tests/harness/dump_fixture.hpp"
#include "tests/test_data.hpp"

namespace kvstone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string deflated_npz(std::string const& path, std::string const& member, std::string const& bytes,
                         bool store = false) {
    zip_t* const archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
    auto* const source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
    auto const index = zip_file_add(archive, member.c_str(), source, 0);
    zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), store ? ZIP_CM_STORE : ZIP_CM_DEFLATE, 6);
    zip_close(archive);
    return path;
}

TEST_F(Dump, NpyOfEveryVersionTypeAndOrder) {
    auto const data = bytes_of<float>({1, 2, 3, 4, 5, 6});
    for (char const version : {'\1', '\2', '\3'}) {
        auto const path = folder_.write(
            "a.npy", npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }  \n", data, version));
        EXPECT_THAT(floats(*load(path, {{"v", "data"}, {"layout", "token dim"}}).v), ElementsAre(1, 2, 3, 4, 5, 6));
    }
    auto const fortran =
        folder_.write("f.npy", npy_bytes("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2), }\n", data));
    EXPECT_THAT(floats(*load(fortran, {{"k", "data"}, {"layout", "token dim"}}).k), ElementsAre(1, 4, 2, 5, 3, 6));
    // bf16 as numpy stores it, and named by the dump: 1, 2.
    auto const brain = folder_.write("b.npy", npy_bytes("{'descr': '|V2', 'fortran_order': False, 'shape': (1, 2), }\n",
                                                        bytes_of<std::uint16_t>({0x3f80, 0x4000})));
    auto const k = load(brain, {{"k", "data"}, {"layout", "token dim"}, {"dtype", "bf16"}}).k.value();
    EXPECT_EQ(element_value(k.type, k.bytes.get(), 1), 2);
    EXPECT_THAT(refused(brain, {{"k", "data"}, {"layout", "token dim"}}), HasSubstr("'|V2'"));
}

TEST_F(Dump, NpyOfPython2HasLongNumbers) {
    auto const path = folder_.write(
        "l.npy", npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (1L, 2L), }\n", bytes_of<float>({1, 2})));
    EXPECT_THAT(floats(*load(path, {{"k", "data"}, {"layout", "token dim"}}).k), ElementsAre(1, 2));
    EXPECT_THAT(
        corrupt(folder_.write("l.npy", npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (1LL, 2), }\n",
                                                 bytes_of<float>({1, 2})))),
        HasSubstr("missing"));
}

TEST_F(Dump, NpyThatIsNone) {
    auto const file = [&](std::string const& dict, std::string const& data = std::string(8, '\0'), char version = 1) {
        return folder_.write("x.npy", npy_bytes(dict, data, version));
    };
    Json const source{{"k", "data"}, {"layout", "token dim"}};
    EXPECT_THAT(corrupt(folder_.write("x.npy", "NUMPY but not quite")), HasSubstr("does not begin"));
    EXPECT_THAT(corrupt(file("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)}", "", 9)),
                HasSubstr("version 9.0"));
    EXPECT_THAT(corrupt(file("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }"), source),
                HasSubstr("need 16 bytes"));
    EXPECT_THAT(corrupt(file("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }"), source),
                HasSubstr("need 4 bytes"));
    EXPECT_THAT(corrupt(file("{'descr': '<f4', 'fortran_order': False}")), HasSubstr("missing"));
    EXPECT_THAT(corrupt(file("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}")),
                HasSubstr("records"));
    EXPECT_THAT(corrupt(file("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 2)}")),
                HasSubstr("whole numbers below"));
    EXPECT_THAT(corrupt(file("{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999, 9999999999)}")),
                HasSubstr("too large to exist"));
    EXPECT_THAT(corrupt(file("{'descr': '<f4")), HasSubstr("does not end"));
    EXPECT_THAT(refused(file("{'descr': '>f4', 'fortran_order': False, 'shape': (1, 2), }"), source),
                HasSubstr("'>f4'"));
}

TEST_F(Dump, NpzStoredAndDeflated) {
    std::vector<float> values(400);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i));
    auto const npy = npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (100, 4), }\n",
                               {reinterpret_cast<char const*>(values.data()), 1600});
    for (bool const store : {true, false}) {
        auto const path = deflated_npz(folder_ / "a.npz", "keys.npy", npy, store);
        auto const tensors = load(path, {{"k", "keys"}, {"layout", "token dim"}}, 50);
        EXPECT_EQ(tensors.k->shape, (KvShape{1, 1, 50, 4}));
        EXPECT_THAT(refused(path, {{"k", "values"}}), HasSubstr("keys (100x4 f32)"));
        // A flipped byte of the data fails its checksum, or the inflated size.
        auto damaged = read_file(path);
        auto const middle = damaged.size() / 2;
        damaged[middle] = static_cast<char>(damaged[middle] ^ 0x55);
        EXPECT_NE(corrupt(folder_.write("d.npz", damaged), {{"k", "keys"}, {"layout", "token dim"}}), "");
        EXPECT_NE(corrupt(folder_.write("d.npz", read_file(path).substr(0, 200)), {{"k", "keys"}}), "");
    }
    EXPECT_THAT(corrupt(deflated_npz(folder_ / "b.npz", "k.npy", npy + "more")),
                HasSubstr("need 1600 bytes, 1604 are declared"));
    EXPECT_THAT(message_of<SystemError>([&] { load(folder_ / "absent.npz"); }), HasSubstr("absent.npz"));
    EXPECT_NE(corrupt(folder_.write("e.npz", "PK is not enough")), "");
    EXPECT_NE(corrupt(folder_.write("e.npz", "")), "");
}

TEST_F(Dump, NpzThatDeclaresMoreThanItCanHold) {
    auto const npy =
        npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (100, 4), }\n", std::string(1600, '\0'));
    auto bytes = read_file(deflated_npz(folder_ / "a.npz", "k.npy", npy));
    // The central directory's entry: signature, and the uncompressed size 24 bytes on.
    auto const directory = bytes.rfind("PK\1\2");
    bytes.replace(directory + 24, 4, bytes_of<std::uint32_t>({0x7fffffff}));
    EXPECT_THAT(corrupt(folder_.write("bomb.npz", bytes)), HasSubstr("declares 2147483647 bytes"));
}

TEST_F(Dump, Distilgpt2Slices) {
    auto const k_path = test_data("dumps/slices_l2h5k.npz");
    if (!k_path) GTEST_SKIP() << "slices_l2h5k.npz is not among the test data";
    auto const k =
        load(k_path->string(), {{"k", "values"}, {"scale", "scale"}, {"dtype", "i8"}, {"layout", "token dim"}}).k;
    ASSERT_EQ(k->shape, (KvShape{1, 1, 402, 64}));
    // The first bytes are f5 00 00 01; the scale's are 5d 2e 97 cb f5 2e b9 3f.
    double scale = 0;
    std::uint64_t const bits = 0x3fb92ef5cb972e5d;
    std::memcpy(&scale, &bits, 8);
    auto const values = floats(*k);
    EXPECT_EQ(values[0], static_cast<float>(-11 * scale));
    EXPECT_EQ(values[1], 0);
    EXPECT_EQ(values[3], static_cast<float>(scale));
}

}  // namespace
}  // namespace kvstone
