#pragma once
namespace stint::low {
int one();
}
