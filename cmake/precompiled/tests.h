// What many tests include, precompiled where COROLLA_PRECOMPILED is on. No file may rely on it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "standard.h"
