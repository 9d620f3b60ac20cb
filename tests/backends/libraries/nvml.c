/* A management library of two made-up devices: the first counts, the second has no counter. */
#include <stddef.h>
#include <string.h>

struct nvmlDevice_st { const char* name; const char* bus_id; int counts; unsigned long long millijoules; };
static struct nvmlDevice_st devices[] = {{"Made-up H200", "0000:19:00.0", 1, 5000}, {"Made-up K80", "0000:3b:00.0", 0, 0}};
enum { success = 0, not_supported = 3, not_found = 6 };

int nvmlInit_v2(void) { return success; }
int nvmlDeviceGetCount_v2(unsigned* count) {
    *count = 2;
    return success;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, struct nvmlDevice_st** device) {
    *device = &devices[index];
    return success;
}
int nvmlDeviceGetHandleByPciBusId_v2(const char* bus_id, struct nvmlDevice_st** device) {
    for (int i = 0; i < 2; ++i)
        if (strcmp(devices[i].bus_id, bus_id) == 0) {
            *device = &devices[i];
            return success;
        }
    return not_found;
}
int nvmlDeviceGetName(struct nvmlDevice_st* device, char* name, unsigned length) {
    strncpy(name, device->name, length);
    return success;
}
/* Each call finds that 3 mJ were used since the last one. */
int nvmlDeviceGetTotalEnergyConsumption(struct nvmlDevice_st* device, unsigned long long* millijoules) {
    if (!device->counts) return not_supported;
    *millijoules = device->millijoules;
    device->millijoules += 3;
    return success;
}
const char* nvmlErrorString(int result) { return result == not_supported ? "Not Supported" : "Not Found"; }
